/** How the weights of a shipped network may be stored. Apart, so that the command line knows without loading a compiler. */
export type ShipPrecision = 'f32' | 'f16' | 'int8';

/** In int8 the network also computes so. */
export const shipPrecisions: readonly ShipPrecision[] = ['f32', 'f16', 'int8'];
