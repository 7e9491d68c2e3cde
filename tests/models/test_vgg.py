import torch
from torch import nn

from prunescope.models import VGG16, SVHNNet, build, tap_names
from tests.models.counting import closed_form_vgg, parameters

CIFAR = (3, 32, 32)
VGG_GROUPS = ((64,) * 2, (128,) * 2, (256,) * 3, (512,) * 3, (512,) * 3)
SVHN_GROUPS = ((32,) * 2, (64,) * 2, (128,) * 2, (256,))


def test_vgg16_has_the_parameters_known_for_cifar():
    count = parameters(build(VGG16(), CIFAR, 10, seed=0))
    assert count == 14_728_266 == closed_form_vgg(VGG_GROUPS, 10)


def test_the_svhn_network_has_the_parameters_of_its_layers():
    count = parameters(build(SVHNNet(), CIFAR, 10, seed=0))
    assert count == 586_154 == closed_form_vgg(SVHN_GROUPS, 10)


def test_taps_follow_conv_norm_relu_and_a_pool_after_each_group():
    for model, groups, tail in ((VGG16(), VGG_GROUPS, 2), (SVHNNet(), SVHN_GROUPS, 3)):
        net = build(model, CIFAR, 10, seed=0)
        names = tap_names(net, torch.zeros(1, *CIFAR))
        kinds = [type(net.get_submodule(name)) for name in names[:-tail]]
        assert kinds == [
            k for group in groups for k in [nn.Conv2d, nn.BatchNorm2d, nn.ReLU] * len(group) + [nn.MaxPool2d]
        ]


def test_vgg16_has_torchvisions_names_in_its_features():
    names = build(VGG16(), CIFAR, 10, seed=0).state_dict()
    assert {"features.0.weight", "features.0.bias", "features.1.running_var", "features.40.bias"} <= set(names)
    assert [names[f"features.{i}.weight"].shape[0] for i in (0, 7, 14, 24, 40)] == [64, 128, 256, 512, 512]
    assert names["classifier.weight"].shape == (10, 512)


def test_larger_images_reach_the_linear_layer_of_vgg16_unpooled():
    net = build(VGG16(), (1, 64, 40), 3, seed=0)
    assert net.classifier.in_features == 512 * 2 * 1
