from __future__ import annotations

import numpy as np
import pytest

from pylon_zoo.data.phantom.pose import Pose


def test_pose_there_and_back():
    pose = Pose(angle=0.3, scale=0.9, x=0.52, y=0.47)
    u, v = np.array([0.1, 0.9]), np.array([0.3, 0.6])
    assert np.allclose(pose.to_image(*pose.to_patient(u, v)), (u, v))


def test_pose_turns_the_patients_left_to_the_images_right():
    u, v = Pose(angle=0.0, scale=2.0, x=0.5, y=0.5).to_image(np.array(0.1), np.array(0.2))
    assert (float(u), float(v)) == pytest.approx((0.7, 0.9))
