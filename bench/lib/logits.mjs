/** Logits of a network on pictures, and how two sets of them compare. */

/** The logits of every picture, one Float32Array each; disposes of the network. Gives way to signals every 100 pictures. */
export async function logitsOf(network, pictures, output) {
  const all = [];
  for (let i = 0; i < pictures.count; i++) {
    pictures.write(i, network.inputView());
    network.execute();
    all.push(network.outputView(output).slice());
    if (i % 100 === 0) await new Promise((resolve) => setTimeout(resolve, 0));
  }
  network.dispose();
  return all;
}

/** The index of the largest value: the answer. */
export const best = (values) => values.reduce((most, value, i) => (value > values[most] ? i : most), 0);

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Decibels of logits, their mean taken off, over what they changed by. */
export function decibels(expected, got) {
  let [power, noise] = [0, 0];
  expected.forEach((values, n) => {
    const [a, b] = [mean(values), mean(got[n])];
    values.forEach((value, c) => {
      power += (value - a) ** 2;
      noise += (value - a - (got[n][c] - b)) ** 2;
    });
  });
  return 10 * Math.log10(power / noise);
}
