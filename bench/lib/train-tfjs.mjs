/**
 * A training step of a network in TensorFlow.js: the graph interpreted with its functions, gradients by
 * `variableGrads`, SGD with momentum and weight decay. Its WebAssembly backend has no gradients of filters, so
 * convolutions are written as products of matrices (depthwise ones as sums of shifted products), whose gradients it has.
 *
 * Shape legend: values [N, H, W, C]; filters [kh * kw * I, O], depthwise ones [kh * kw, C].
 */

/** Returns `step()`, which gives the loss once the step is done. `weights`: initial ones by name. */
export async function tfjsStep(tf, graph, weights, { batch, images, targets }) {
  const input = graph.nodes.find((node) => node.kind === 'input');
  const convolutions = new Map(
    graph.nodes.filter(({ kind }) => kind === 'conv2d').map((node) => [node.weight, node]),
  );
  const linear = new Set(graph.nodes.filter(({ kind }) => kind === 'linear').map((node) => node.weight));
  const initial = (name) => {
    const { shape, data } = weights.get(name);
    const tensor = tf.tensor(Float32Array.from(data), [...shape]);
    const conv = convolutions.get(name);
    if (conv?.groups > 1) return tf.transpose(tf.reshape(tensor, [shape[0], shape[2] * shape[3]]));
    if (conv) return tf.reshape(tf.transpose(tensor, [2, 3, 1, 0]), [-1, shape[0]]);
    return linear.has(name) ? tf.transpose(tensor) : tensor;
  };
  const params = new Map();
  const momenta = new Map();
  for (const [name, { role }] of Object.entries(graph.parameters)) {
    if (role === 'statistic' || role === 'constant') continue;
    params.set(name, tf.variable(initial(name), true, name));
    momenta.set(name, tf.variable(tf.zerosLike(params.get(name)), false));
  }
  const subsample = (x) => {
    const [n, h, w, c] = x.shape;
    const rows = tf.reshape(x, [n * (h / 2), 2 * w * c]);
    const even = tf.reshape(tf.slice(rows, [0, 0], [n * (h / 2), w * c]), [n * (h / 2) * (w / 2), 2 * c]);
    return tf.reshape(tf.slice(even, [0, 0], [n * (h / 2) * (w / 2), c]), [n, h / 2, w / 2, c]);
  };
  function convolution({ padding: [top, left, bottom, right], stride, kernel, groups }, x, w) {
    const [n, height, width, c] = x.shape;
    const [kh, kw] = kernel;
    const [h, v] = [
      Math.floor((height + top + bottom - kh) / stride[0]) + 1,
      Math.floor((width + left + right - kw) / stride[1]) + 1,
    ];
    const padded = tf.pad(x, [
      [0, 0],
      [top, bottom + stride[0] - 1],
      [left, right + stride[1] - 1],
      [0, 0],
    ]);
    const windows = [];
    for (let i = 0; i < kh; i++)
      for (let j = 0; j < kw; j++) {
        const part = tf.slice(padded, [0, i, j, 0], [n, h * stride[0], v * stride[1], c]);
        windows.push(stride[0] > 1 ? subsample(part) : part);
      }
    if (groups > 1)
      return windows
        .map((part, k) => tf.mul(part, tf.slice(w, [k, 0], [1, c])))
        .reduce((sum, part) => tf.add(sum, part));
    const columns = tf.reshape(windows.length > 1 ? tf.concat(windows, 3) : windows[0], [n * h * v, -1]);
    return tf.reshape(tf.matMul(columns, w), [n, h, v, -1]);
  }
  function apply(node, [a, b, ...others], x) {
    switch (node.kind) {
      case 'input':
        return x;
      case 'conv2d':
        return convolution(node, a, params.get(node.weight));
      case 'batchNorm': {
        const centred = tf.sub(a, tf.mean(a, [0, 1, 2], true));
        const variance = tf.mean(tf.mul(centred, centred), [0, 1, 2], true);
        const normal = tf.mul(centred, tf.rsqrt(tf.add(variance, node.eps)));
        return tf.add(tf.mul(normal, params.get(node.scale)), params.get(node.shift));
      }
      case 'activation':
        if (node.function !== 'relu') throw new Error(`activation ${node.function} is not written for tfjs`);
        return tf.relu(a);
      case 'add':
        return tf.add(a, b);
      case 'concat':
        return tf.concat([a, b, ...others], 3);
      case 'avgPool':
        if (node.kernel.join() !== '1,1' || node.stride.join() !== '2,2')
          throw new Error('only subsampling is written for tfjs');
        return subsample(a);
      case 'padChannels':
        return tf.pad(a, [
          [0, 0],
          [0, 0],
          [0, 0],
          [node.before, node.after],
        ]);
      case 'globalAvgPool':
        return tf.mean(a, [1, 2]);
      case 'flatten':
        return a;
      case 'linear':
        return tf.add(tf.matMul(a, params.get(node.weight)), params.get(node.bias));
      default:
        throw new Error(`${node.kind} is not written for tfjs`);
    }
  }
  const planar = tf.tensor(images, [batch, ...input.shape]);
  const x = tf.keep(tf.transpose(planar, [0, 2, 3, 1]));
  const hot = tf.keep(tf.oneHot(tf.tensor1d(targets, 'int32'), 10));
  const loss = () => {
    const values = new Map();
    for (const node of graph.nodes) {
      const given = (node.inputs ?? []).map((name) => values.get(name));
      values.set(node.name, apply(node, given, x));
    }
    const logits = values.get(graph.outputs[0]);
    // log-softmax written out: its own gradient needs a kernel that the backend lacks
    const shifted = tf.sub(logits, tf.max(logits, 1, true));
    const logs = tf.sub(shifted, tf.log(tf.sum(tf.exp(shifted), 1, true)));
    return tf.mul(tf.sum(tf.mul(logs, hot)), -1 / batch);
  };
  return async () => {
    const value = tf.tidy(() => {
      const { value, grads } = tf.variableGrads(loss, [...params.values()]);
      for (const [name, variable] of params) {
        const momentum = momenta.get(name);
        const decayed = tf.add(grads[name], tf.mul(variable, 5e-4));
        momentum.assign(tf.add(tf.mul(momentum, 0.9), decayed));
        variable.assign(tf.sub(variable, tf.mul(momentum, 0.01)));
      }
      return value;
    });
    const [number] = await value.data();
    value.dispose();
    return number;
  };
}
