"""The paper's segmentation networks as classifiers: decoders of segmentation-models-pytorch on our encoders.

This room alone imports smp, and is itself imported when one of its models is asked for. Names of parameters are smp's
for its `tu-` encoders: `smp.FPN("tu-resnet50")` and `fpn_resnet50` share state dicts up to the head's name.
"""
