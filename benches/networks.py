"""The networks that are compared with PyTorch: their layers, the keys of their specs, and their operations. Needs no package.

A layer is a tuple: ("conv", channels, kernel, stride, padding), ("up", channels, kernel, stride, padding, output_padding) for a
transposed convolution, ("dense", units), ("gated", units), or ("image", side, channels) for a dense layer whose outputs are an
image. The last layer of a decoder has no activation.
"""

WALKTHROUGH = [("conv", 32, 3, 1, 1), ("conv", 64, 3, 2, 1), ("conv", 64, 3, 1, 1), ("conv", 64, 3, 1, 1), ("dense", 32)]
BURGESS = [("conv", 32, 4, 2, 1)] * 3 + [("dense", 256)] * 2
LOCATELLO = [("conv", 32, 4, 2, 1)] * 2 + [("conv", 64, 2, 2, 0)] * 2 + [("dense", 256)]


def walkthrough(side, channels):
    return {"side": side, "channels": channels, "latent": 2, "encoder": WALKTHROUGH,
            "decoder": [("image", side // 2, 64), ("up", 32, 3, 2, 1, 1), ("conv", channels, 3, 1, 1)],
            "keys": {"model.family": "conv"}}


def burgess(channels):
    decoder = [("dense", 256)] * 2 + [("image", 4, 32)] + [("up", 32, 4, 2, 1, 0)] * 2 + [("up", channels, 4, 2, 1, 0)]
    return {"side": 32, "channels": channels, "latent": 10, "encoder": BURGESS, "decoder": decoder,
            "keys": {"model.preset": "burgess"}}


def locatello(channels):
    up = [("up", outputs, 4, 2, 1, 0) for outputs in (64, 32, 32, channels)]
    return {"side": 64, "channels": channels, "latent": 10, "encoder": LOCATELLO,
            "decoder": [("dense", 256), ("image", 4, 64), *up], "keys": {"model.preset": "locatello"}}


def dense(kind, hidden, latent, **rest):
    """A network with these hidden layers in the encoder, and in reverse order in the decoder."""
    layers = [(kind, units) for units in hidden]
    return {"side": 28, "channels": 1, "latent": latent, "encoder": layers, "decoder": [*layers[::-1], ("dense", 784)], **rest}


def iwae(samples):
    return dense("dense", [200, 200], 50, activation="tanh", samples=samples,
                 keys={"model.preset": "iwae", "objective.kind": "iwae", "objective.samples": samples})


NETWORKS = {
    "conv": walkthrough(28, 1),
    "conv_rgb": walkthrough(32, 3),
    "mlp": dense("dense", [500], 20, keys={"model.family": "mlp", "model.hidden": [500]}),
    "burgess": burgess(1),
    "burgess_rgb": burgess(3),
    "locatello": locatello(1),
    "locatello_rgb": locatello(3),
    "vampprior": dense("gated", [300, 300], 40, keys={"model.preset": "vampprior"}),
    "iwae": iwae(1),
    "iwae_5": iwae(5),
    "iwae_50": iwae(50),
}


def is_convolutional(name):
    return any(layer[0] in ("conv", "up") for layer in NETWORKS[name]["encoder"])


def products(layers, side, channels, units):
    """The products of one image in each layer, and the shape after the last one."""
    counts = []
    for kind, *size in layers:
        if kind in ("conv", "up"):
            outputs, kernel, stride, padding = size[:4]
            before = side
            side = (side + 2 * padding - kernel) // stride + 1 if kind == "conv" else (side - 1) * stride - 2 * padding + kernel + size[4]
            pixels = side**2 if kind == "conv" else before**2
            counts.append(pixels * kernel**2 * channels * outputs)
            channels, units = outputs, side**2 * outputs
        else:
            outputs = size[0] if kind != "image" else size[0]**2 * size[1]
            counts.append((2 if kind == "gated" else 1) * units * outputs)
            units = outputs
            if kind == "image":
                side, channels = size
    return counts, units


def operations(name):
    """Floating-point operations of a training step for one image, counted by definition as in benches/speed.rs: each product once
    forward and twice backward, without the gradient of the images."""
    network = NETWORKS[name]
    side, channels, latent = network["side"], network["channels"], network["latent"]
    encoder, hidden = products(network["encoder"], side, channels, side**2 * channels)
    decoder, _ = products(network["decoder"], None, None, latent)
    all_products = sum(encoder) + 2 * hidden * latent + network.get("samples", 1) * sum(decoder)
    return 2 * (3 * all_products - encoder[0])
