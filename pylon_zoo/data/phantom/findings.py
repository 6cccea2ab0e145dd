"""The findings of the phantoms, one line each.

A finding is planned for every patient, present or not, from a random stream of its own, and paints only pixels inside
its box. So turning one on or off changes nothing else, and no evidence lies outside its box.
"""

from __future__ import annotations

from pylon_zoo.data.phantom import borders, opacities
from pylon_zoo.data.phantom.placement import Plan

# In the order of planning and painting: large ones first, so that small ones look for the places left free.
FINDINGS: dict[str, Plan] = {
    "Cardiomegaly": borders.plan_cardiomegaly,
    "Effusion": borders.plan_effusion,
    "Pneumothorax": borders.plan_pneumothorax,
    "Consolidation": opacities.plan_consolidation,
    "Fibrosis": opacities.plan_fibrosis,
    "Atelectasis": opacities.plan_atelectasis,
    "Mass": opacities.plan_mass,
    "Nodule": opacities.plan_nodule,
}
CLASSES: tuple[str, ...] = tuple(FINDINGS)
"""The eight findings, in the order of targets."""
