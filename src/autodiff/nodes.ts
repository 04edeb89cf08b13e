/**
 * The nodes of a training graph: those of a network, two fused forms, and one record for each gradient to be made.
 * A closed union of frozen records like a network's; not code and not memory.
 */
import type { ActivationName, BatchNormNode, Node } from '../graph/nodes.js';

/** Batch norm over the statistics of the batch with the activation after it; `name` is the last node's. */
export interface BatchNormActivationNode {
  readonly kind: 'batchNormActivation';
  readonly name: string;
  readonly inputs: readonly string[];
  readonly norm: BatchNormNode;
  readonly activation: ActivationName | null;
}

/** relu(a + b); `name` is the activation's. */
export interface AddReluNode {
  readonly kind: 'addRelu';
  readonly name: string;
  readonly inputs: readonly string[];
}

/** A forward node of a training graph. Batch norm occurs only fused (perhaps without an activation). */
export type ForwardNode = Exclude<Node, BatchNormNode> | BatchNormActivationNode | AddReluNode;

/**
 * Makes gradients of a forward node's inputs and parameters from that of its output (`of.name`). Gradients of a value
 * with several readers are summed in the order of these records.
 */
export interface GradientNode {
  readonly kind: 'gradient';
  readonly of: ForwardNode;
  /** Inputs whose gradients are wanted; inputs that nothing learned depends on are left out. */
  readonly inputs: readonly string[];
  /** Learned parameters of the node. */
  readonly parameters: readonly string[];
}

export type Loss =
  | { readonly kind: 'crossEntropy'; readonly labelSmoothing?: number }
  | {
      readonly kind: 'distillation';
      /** T of Hinton et al. 2015; the soft part is scaled by T^2. */
      readonly temperature: number;
      /** Share of the soft part; the rest is cross-entropy with the labels. */
      readonly weight: number;
      readonly labelSmoothing?: number;
    }
  | { readonly kind: 'meanSquaredError' };

export interface TrainingGraph {
  readonly name: string;
  /** Topologically ordered. */
  readonly forward: readonly ForwardNode[];
  /** The network's single output: what the loss reads. */
  readonly output: string;
  readonly loss: Loss;
  /** In the order they are to be made: the reverse of `forward`. */
  readonly backward: readonly GradientNode[];
  /** Names of learned parameters, in graph order. */
  readonly learned: readonly string[];
}
