/**
 * A training step of a network in jax-js: the graph interpreted with its functions, the whole step (loss, gradients, SGD
 * with momentum and weight decay) under `jit`, on its WebAssembly device. Convolutions are written as products of matrices.
 *
 * Shape legend: values [N, C, H, W]; filters [O, I / groups, kh, kw].
 */

/** Returns `step()`, which resolves when the step is done. `weights`: initial ones by name. */
export async function jaxStep(jax, graph, weights, { batch, images, targets }) {
  const { numpy: np, nn, jit, valueAndGrad } = jax;
  await jax.init('wasm');
  jax.defaultDevice('wasm');
  const input = graph.nodes.find((node) => node.kind === 'input');
  const classes = 10;
  const learned = Object.entries(graph.parameters)
    .filter(([, { role }]) => role !== 'statistic' && role !== 'constant')
    .map(([name]) => name);
  const arrayOf = ({ shape, data }) => np.array(Float32Array.from(data)).reshape([...shape]);
  let params = Object.fromEntries(learned.map((name) => [name, arrayOf(weights.get(name))]));
  let momenta = Object.fromEntries(learned.map((name) => [name, np.zeros([...weights.get(name).shape])]));

  const channel = (x) => x.reshape([1, -1, 1, 1]);
  const mean = (x) => np.mean(x, [0, 2, 3], { keepdims: true });
  function forward(p, x) {
    const values = new Map();
    for (const node of graph.nodes) {
      const given = (node.inputs ?? []).map((name) => values.get(name).ref);
      values.set(node.name, apply(node, given, p, x));
    }
    return values.get(graph.outputs[0]);
  }
  /** Windows times filters as one product of matrices; depthwise: a sum of shifted products. */
  function convolution({ padding: [top, left, bottom, right], stride, kernel, groups }, a, w) {
    const [n, c, height, width] = a.shape;
    const [kh, kw] = kernel;
    const padded = np.pad(a, [
      [0, 0],
      [0, 0],
      [top, bottom + stride[0] - 1],
      [left, right + stride[1] - 1],
    ]);
    const [h, v] = [
      Math.floor((height + top + bottom - kh) / stride[0]) + 1,
      Math.floor((width + left + right - kw) / stride[1]) + 1,
    ];
    const windows = [];
    for (let i = 0; i < kh; i++)
      for (let j = 0; j < kw; j++) {
        let part = padded.ref.slice([], [], [i, i + h * stride[0]], [j, j + v * stride[1]]);
        if (stride[0] > 1)
          part = part.reshape([n, c, h, stride[0], v, stride[1]]).slice([], [], [], 0, [], 0);
        windows.push(part);
      }
    if (groups > 1)
      return windows
        .map((part, k) => part.mul(channel(w.ref.slice([], 0, Math.floor(k / kw), k % kw))))
        .reduce((sum, part) => sum.add(part));
    const filters = np.transpose(w, [0, 2, 3, 1]).reshape([-1, kh * kw * c]);
    const columns = np.concatenate(windows, 1).reshape([n, kh * kw * c, h * v]);
    return np.einsum('ok,nkp->nop', filters, columns).reshape([n, -1, h, v]);
  }
  function apply(node, given, p, x) {
    const [a, b] = given;
    switch (node.kind) {
      case 'input':
        return x;
      case 'conv2d':
        return convolution(node, a, p[node.weight].ref);
      case 'batchNorm': {
        const centred = a.ref.sub(mean(a));
        const variance = mean(centred.ref.mul(centred.ref));
        const normal = centred.div(np.sqrt(variance.add(node.eps)));
        return normal.mul(channel(p[node.scale].ref)).add(channel(p[node.shift].ref));
      }
      case 'activation':
        if (node.function !== 'relu')
          throw new Error(`activation ${node.function} is not written for jax-js`);
        return nn.relu(a);
      case 'add':
        return a.add(b);
      case 'concat':
        return np.concatenate(given, 1);
      case 'avgPool': {
        // the shortcuts' subsampling: every second pixel
        if (node.kernel.join() !== '1,1' || node.stride.join() !== '2,2')
          throw new Error('only subsampling is written for jax-js');
        const [n, c, h, w] = a.shape;
        return a.reshape([n, c, h / 2, 2, w / 2, 2]).slice([], [], [], 0, [], 0);
      }
      case 'padChannels':
        return np.pad(a, [
          [0, 0],
          [node.before, node.after],
          [0, 0],
          [0, 0],
        ]);
      case 'globalAvgPool':
        return np.mean(a, [2, 3]);
      case 'flatten':
        return a;
      case 'linear':
        return np.matmul(a, np.transpose(p[node.weight].ref)).add(p[node.bias].ref);
      default:
        throw new Error(`${node.kind} is not written for jax-js`);
    }
  }
  const loss = (p, x, t) => np.sum(nn.logSoftmax(forward(p, x)).mul(t)).mul(-1 / batch);
  const update = jit((p, m, x, t) => {
    const [value, gradients] = valueAndGrad(loss)(
      Object.fromEntries(learned.map((name) => [name, p[name].ref])),
      x,
      t,
    );
    const [next, moved] = [{}, {}];
    for (const name of learned) {
      moved[name] = m[name].mul(0.9).add(gradients[name].add(p[name].ref.mul(5e-4)));
      next[name] = p[name].sub(moved[name].ref.mul(0.01));
    }
    return [value, next, moved];
  });
  const x = np.array(images).reshape([batch, ...input.shape]);
  const hot = new Float32Array(batch * classes);
  targets.forEach((target, n) => {
    hot[n * classes + target] = 1;
  });
  const t = np.array(hot).reshape([batch, classes]);
  return async () => {
    const [value, next, moved] = update(params, momenta, x.ref, t.ref);
    params = next;
    momenta = moved;
    await jax.blockUntilReady(params[learned[0]].ref);
    return (await value.data())[0];
  };
}
