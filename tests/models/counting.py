"""Parameter counts from architecture alone, for comparison with what is built."""


def parameters(net):
    return sum(parameter.numel() for parameter in net.parameters())


def conv(inputs, outputs, kernel=9, bias=False):
    return inputs * outputs * kernel + (outputs if bias else 0)


def norm(width):
    return 2 * width


def linear(inputs, outputs):
    return inputs * outputs + outputs


def closed_form_resnet18(width, stem_kernel, classes, channels=3):
    total = conv(channels, width, stem_kernel) + norm(width)
    inputs = width
    for outputs in (width, 2 * width, 4 * width, 8 * width):
        total += conv(inputs, outputs) + 3 * conv(outputs, outputs) + 4 * norm(outputs)
        total += conv(inputs, outputs, 1) + norm(outputs) if inputs != outputs else 0
        inputs = outputs
    return total + linear(inputs, classes)


def closed_form_wide_resnet(blocks, widen, classes, channels=3):
    total, inputs = conv(channels, 16), 16
    for outputs in (16 * widen, 32 * widen, 64 * widen):
        for block in range(blocks):
            total += norm(inputs) + conv(inputs, outputs) + norm(outputs) + conv(outputs, outputs)
            total += conv(inputs, outputs, 1) if block == 0 and inputs != outputs else 0
            inputs = outputs
    return total + norm(inputs) + linear(inputs, classes)


def closed_form_densenet(growth, per_block, classes, channels=3):
    width = 2 * growth
    total = conv(channels, width)
    for block in range(3):
        for _ in range(per_block):
            total += norm(width) + conv(width, 4 * growth, 1) + norm(4 * growth) + conv(4 * growth, growth)
            width += growth
        if block < 2:
            total += norm(width) + conv(width, width // 2, 1)
            width //= 2
    return total + norm(width) + linear(width, classes)


def closed_form_vgg(groups, head, channels=3):
    total, inputs = 0, channels
    for outputs in (width for group in groups for width in group):
        total += conv(inputs, outputs, bias=True) + norm(outputs)
        inputs = outputs
    return total + linear(inputs, head)
