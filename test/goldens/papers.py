"""
PyTorch twins of networks that torchvision lacks (test/networks/paper-cases.ts), written from their papers and in other
words than the project's graphs: shifts by padding and cropping, versatile filters by cropping one primary filter, branches
as modules. `NETWORKS` as in networks.py; a third entry gives our name of a parameter.
"""
from rivals import FENet, ResNet50, ShiftResNet20, meta_pruning, versatile
from successors import GGhostRegNet, GhostNetV2, official_branches

NETWORKS = {
    "ghostnetv2-1.0x": lambda: (GhostNetV2(), []),
    "ghostnetv2 width 0.5 75x75": lambda: (GhostNetV2(0.5), []),
    "ghostnetv3-1.0x": lambda: (GhostNetV2(branches=True), [], official_branches),
    "g_ghost_regnetx_002": lambda: (GGhostRegNet([1, 1, 4, 7], [24, 56, 152, 368], 8), []),
    "g_ghost_regnetx_032": lambda: (GGhostRegNet([2, 6, 15, 2], [96, 192, 432, 1008], 48), []),
    "fe_net_x1_0": lambda: (FENet(), []),
    "versatile_v1_resnet50": lambda: (versatile(1), []),
    "versatile_v2_resnet50": lambda: (versatile(2), []),
    "metapruning_resnet50_x0_5": lambda: (meta_pruning(), []),
    "shiftresnet50-3": lambda: (ResNet50(shift_expansion=3), []),
    "shiftresnet20-3-cifar": lambda: (ShiftResNet20(3), []),
}
