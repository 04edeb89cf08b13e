"""torchvision's own modules for the cases of test/networks/zoo-cases.ts; no taps, the output says enough."""
import torch.nn as nn
import torchvision.models as tv


def module(build, **options):
    return lambda: (build(weights=None, num_classes=10, **options), [])


def features(build):
    def make():
        model = nn.Module()
        model.features = build(weights=None).features
        model.forward = lambda x: model.features(x)
        return model, []

    return make


NETWORKS = {
    "mobilenet_v2": module(tv.mobilenet_v2),
    "mobilenet_v2 width 0.5": module(tv.mobilenet_v2, width_mult=0.5),
    "mobilenet_v3_large": module(tv.mobilenet_v3_large),
    "mobilenet_v3_small": module(tv.mobilenet_v3_small),
    "shufflenet_v2_x0_5": module(tv.shufflenet_v2_x0_5),
    "shufflenet_v2_x1_0": module(tv.shufflenet_v2_x1_0),
    "mnasnet0_5": module(tv.mnasnet0_5),
    "mnasnet1_0": module(tv.mnasnet1_0),
    "squeezenet1_0": module(tv.squeezenet1_0),
    "squeezenet1_1": module(tv.squeezenet1_1),
    "resnet18": module(tv.resnet18),
    "resnet34": module(tv.resnet34),
    "resnext50_32x4d": module(tv.resnext50_32x4d),
    "vgg16 features": features(tv.vgg16),
    "shufflenet_v2_x1_5": module(tv.shufflenet_v2_x1_5),
    "shufflenet_v2_x2_0": module(tv.shufflenet_v2_x2_0),
    "mnasnet0_75": module(tv.mnasnet0_75),
    "mnasnet1_3": module(tv.mnasnet1_3),
    "vgg16": module(tv.vgg16),
    "vgg16_bn features": features(tv.vgg16_bn),
}
