#!/usr/bin/env python3
"""Trains the demo network on scikit-learn's handwritten digits and exports it to ONNX.

Writes Models/digits: the network, twenty pictures and the held-out images and labels. One thread and fixed
seeds make the run repeatable on one machine. Needs torch, onnx, scikit-learn and pillow (Models/README.md).
"""

import argparse
import pathlib
from collections import OrderedDict

import numpy as np
import onnx
import torch
from PIL import Image
from sklearn.datasets import load_digits
from torch import nn

SEED = 1
HELD_OUT = 360
EPOCHS = 60
PIXEL_STEP = 15
PICTURE_SCALE = 8
LABELS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


class Digits(nn.Module):
    """A small network with a full, a strided and a depthwise convolution, pooling and a residual addition."""

    def __init__(self):
        super().__init__()

        def block(inputs, outputs, kernel, stride=1, groups=1):
            return nn.Sequential(
                OrderedDict(
                    conv=nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
                    norm=nn.BatchNorm2d(outputs),
                )
            )

        self.stem = block(1, 16, 3)
        self.down = block(16, 32, 3, stride=2)
        self.depthwise = block(32, 32, 3, groups=32)
        self.pointwise = block(32, 32, 1)
        self.pool = nn.MaxPool2d(2)
        self.head = block(32, 64, 1)
        self.average = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(64, 10)

    def forward(self, x):
        x = torch.relu(self.stem(x))
        x = torch.relu(self.down(x))
        x = torch.relu(x + self.pointwise(torch.relu(self.depthwise(x))))
        x = torch.relu(self.head(self.pool(x)))
        return self.classifier(torch.flatten(self.average(x), 1))


class DigitProbabilities(Digits):
    """The same network with a softmax at its end, as it is exported."""

    def forward(self, x):
        return torch.softmax(super().forward(x), dim=1)


def shifted(images, generator):
    """Moves each image by up to one pixel in each direction."""
    padded = nn.functional.pad(images, (1, 1, 1, 1), value=float(images.min()))
    offsets = torch.randint(0, 3, (len(images), 2), generator=generator).tolist()
    return torch.stack([image[:, y : y + 8, x : x + 8] for image, (y, x) in zip(padded, offsets)])


def train(images, labels):
    torch.manual_seed(SEED)
    generator = torch.Generator().manual_seed(SEED)
    model = Digits()
    batch = 64
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)
    steps = EPOCHS * (len(images) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=steps)
    for _ in range(EPOCHS):
        order = torch.randperm(len(images), generator=generator)
        for start in range(0, len(images) - batch + 1, batch):
            chosen = order[start : start + batch]
            logits = model(shifted(images[chosen], generator))
            loss = nn.functional.cross_entropy(logits, labels[chosen], label_smoothing=0.02)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return model.eval()


def export(model, path, mean, std):
    network = DigitProbabilities().eval()
    network.load_state_dict(model.state_dict())
    torch.onnx.export(
        network,
        torch.zeros(1, 1, 8, 8),
        path,
        opset_version=17,
        training=torch.onnx.TrainingMode.PRESERVE,
        input_names=["image"],
        output_names=["probabilities"],
        dynamic_axes={"image": {0: "batch"}, "probabilities": {0: "batch"}},
        do_constant_folding=False,
        dynamo=False,
    )
    proto = onnx.load(path)
    for node in proto.graph.node:
        node.ClearField("doc_string")
    properties = {
        "apus.labels": "\n".join(LABELS),
        "apus.image.layout": "NCHW",
        "apus.image.channels": "grey",
        "apus.image.scale": repr(1 / (16 * PIXEL_STEP)),
        "apus.image.mean": repr(mean),
        "apus.image.std": repr(std),
    }
    onnx.helper.set_model_props(proto, properties)
    onnx.checker.check_model(proto, full_check=True)
    onnx.save(proto, path)


def write_pictures(folder, digits, labels):
    """Saves two held-out images of every digit, enlarged so that averaging 8x8 blocks restores the pixels."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.png"):
        old.unlink()
    chosen = [np.flatnonzero(labels == digit)[copy] for copy in range(2) for digit in range(10)]
    for number, index in enumerate(chosen):
        pixels = (digits[index] * PIXEL_STEP).astype(np.uint8)
        pixels = pixels.repeat(PICTURE_SCALE, axis=0).repeat(PICTURE_SCALE, axis=1)
        Image.fromarray(pixels, mode="L").save(folder / f"{number:02d}-digit-{labels[index]}.png", optimize=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    default = pathlib.Path(__file__).resolve().parent.parent / "Models" / "digits"
    parser.add_argument("--output", type=pathlib.Path, default=default)
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)

    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)

    data = load_digits()
    order = np.random.RandomState(SEED).permutation(len(data.target))
    held_out, training = order[:HELD_OUT], order[HELD_OUT:]
    scaled = data.images / 16
    mean = round(float(scaled[training].mean()), 4)
    std = round(float(scaled[training].std()), 4)
    images = ((scaled - mean) / std).astype(np.float32)[:, None]

    model = train(torch.from_numpy(images[training]), torch.from_numpy(data.target[training]))
    with torch.no_grad():
        predicted = model(torch.from_numpy(images[held_out])).argmax(1).numpy()
    correct = int((predicted == data.target[held_out]).sum())

    export(model, str(arguments.output / "digits.onnx"), mean, std)
    np.save(arguments.output / "heldout-images.npy", images[held_out])
    np.save(arguments.output / "heldout-labels.npy", data.target[held_out].astype(np.int64))
    write_pictures(arguments.output / "pictures", data.images[held_out], data.target[held_out])
    print(f"held-out accuracy: {correct}/{HELD_OUT} = {correct / HELD_OUT:.4f}")


if __name__ == "__main__":
    main()
