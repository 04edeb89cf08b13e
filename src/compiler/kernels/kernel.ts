/**
 * What all kernels share. A kernel is one WebAssembly function, specialised to exact shapes, that works on one image
 * over a range of units (a unit is an output quad unless said otherwise): threads split the units and read the same
 * packed weights, and the order in which an output is accumulated never depends on the split.
 *
 * Layout legend: a feature map is stored as quads of four channels, [C/4][H*W][4] floats: one v128 per pixel and quad.
 * P pixels (H*W), Q quads, K stored input channels, plane = bytes of a quad's map = P*16.
 */
export { type Activation, emitActivation, emitExp } from './activations.js';
export { type Isa, keepsOrder } from './isa.js';
export { pixelTile } from './tiles.js';
