/** What scripts/build.mjs bundles into the text that every model.js carries. */
export { ModelError } from './errors.js';
export { shippedModel } from './model.js';
