import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.training.augmentation import _grid, augment

EVERYTHING = {
    "flip_horizontal": True,
    "flip_vertical": True,
    "rotation": 20.0,
    "translation": 0.1,
    "scale": 0.2,
    "brightness": 0.2,
    "contrast": 0.3,
    "blur": 0.5,
    "noise": 0.05,
    "erase": 0.3,
}


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def images(count=8, side=16, seed=0):
    """float32 (count, 1, side, side) in 0..255, smooth enough for interpolation to follow."""
    coarse = torch.rand(count, 1, side // 4, side // 4, generator=rng(seed)) * 255
    return torch.nn.functional.interpolate(coarse, size=(side, side), mode="bilinear")


@given(st.integers(0, 5), st.integers(1, 33), st.integers(0, 2**31))
def test_everything_off_is_the_identity(augment_params, count, side, seed):
    batch = torch.rand(count, 1, side, side) * 255
    assert torch.equal(augment(batch, augment_params(), rng(seed)), batch)


@settings(deadline=None)
@given(st.integers(1, 5), st.integers(4, 33), st.integers(0, 2**31))
def test_everything_on_keeps_shape_dtype_and_range(augment_params, count, side, seed):
    batch = torch.rand(count, 1, side, side) * 255
    before = batch.clone()
    changed = augment(batch, augment_params(**EVERYTHING), rng(seed))
    assert changed.shape == batch.shape
    assert changed.dtype == torch.float32
    assert changed.min() >= 0
    assert changed.max() <= 255
    assert torch.equal(batch, before), "the images given must stay as they are"


@settings(deadline=None)
@given(st.integers(1, 4), st.integers(1, 20), st.integers(1, 20), st.integers(0, 2**31))
def test_grid_is_that_of_an_affine_map(count, height, width, seed):
    matrices = torch.randn(count, 2, 3, generator=rng(seed))
    wanted = torch.nn.functional.affine_grid(matrices, [count, 1, height, width], align_corners=False)
    torch.testing.assert_close(_grid(matrices, height, width), wanted, atol=1e-5, rtol=1e-5)


def test_stored_images_are_changed_as_their_grey_levels_are(augment_params):
    batch = images().round().to(torch.uint8)
    params = augment_params(**EVERYTHING)
    assert torch.equal(augment(batch, params, rng()), augment(batch.float(), params, rng()))


@pytest.mark.parametrize("switch", EVERYTHING)
def test_each_switch_changes_something_and_repeats(augment_params, switch):
    params = augment_params(**{switch: EVERYTHING[switch]})
    batch = images()
    assert not torch.allclose(augment(batch, params, rng()), batch, atol=0.1)
    assert torch.equal(augment(batch, params, rng(3)), augment(batch, params, rng(3)))
    assert not torch.equal(augment(batch, params, rng(3)), augment(batch, params, rng(4)))


@pytest.mark.parametrize(("switch", "axes"), [("flip_horizontal", (3,)), ("flip_vertical", (2,))])
def test_a_flip_gives_the_image_or_its_mirror_image(augment_params, switch, axes):
    batch = images(64)
    changed = augment(batch, augment_params(**{switch: True}), rng())
    same = torch.isclose(changed, batch, atol=0.1).all(dim=(1, 2, 3))
    mirrored = torch.isclose(changed, batch.flip(axes), atol=0.1).all(dim=(1, 2, 3))
    assert torch.all(same ^ mirrored)
    assert 16 < mirrored.sum() < 48


def test_no_symmetry_is_taken_that_was_not_declared(augment_params):
    """An arrow that points up stays one: neither a rotation within its bounds nor a shift turns it over."""
    arrow = torch.zeros(200, 1, 33, 33)
    arrow[:, :, 6:14, 8:25] = 255
    params = augment_params(rotation=30.0, translation=0.05, scale=0.1, flip_horizontal=True)
    changed = augment(arrow, params, rng())
    assert torch.all(changed[:, :, :16].sum(dim=(1, 2, 3)) > changed[:, :, 17:].sum(dim=(1, 2, 3)))


def centres(batch):
    """Return (B, 2): the centre of brightness, x and y, in pixels from the middle."""
    side = batch.shape[-1]
    position = torch.arange(side) - (side - 1) / 2
    mass = batch.sum(dim=(1, 2, 3))
    return torch.stack(
        [(batch[:, 0].sum(dim=1) * position).sum(dim=1) / mass, (batch[:, 0].sum(dim=2) * position).sum(dim=1) / mass],
        1,
    )


def spot(count, x, y, side=65):
    batch = torch.zeros(count, 1, side, side)
    middle = side // 2
    batch[:, :, middle + y - 2 : middle + y + 3, middle + x - 2 : middle + x + 3] = 200
    return batch


def test_translation_is_a_share_of_the_side_along_both_axes(augment_params):
    found = centres(augment(spot(500, 0, 0), augment_params(translation=0.1), rng()))
    assert found.abs().max() <= 6.5 + 0.01
    assert found.abs().amax(dim=0).min() > 5.5
    assert found.mean(dim=0).abs().max() < 0.6


def test_rotation_is_in_degrees_to_either_side_about_the_middle(augment_params):
    found = centres(augment(spot(500, 20, 0), augment_params(rotation=30.0), rng()))
    angles = torch.rad2deg(torch.atan2(found[:, 1], found[:, 0]))
    assert angles.abs().max() <= 30.5
    assert angles.max() > 27
    assert angles.min() < -27
    assert np.allclose(found.norm(dim=1), 20, atol=0.3)


def test_scale_is_relative_to_the_size(augment_params):
    found = centres(augment(spot(500, 20, 0), augment_params(scale=0.2), rng()))[:, 0]
    assert 16 - 0.1 <= found.min() < 16.6
    assert 23.4 < found.max() <= 24 + 0.1


def test_brightness_is_a_share_of_the_whole_range(augment_params):
    batch = torch.full((500, 1, 4, 4), 128.0)
    shift = augment(batch, augment_params(brightness=0.1), rng()).mean(dim=(1, 2, 3)) - 128
    assert 24 < shift.max() <= 25.5
    assert -25.5 <= shift.min() < -24


def test_contrast_turns_about_the_images_own_mean(augment_params):
    batch = images(500) * 0.3 + 80
    changed = augment(batch, augment_params(contrast=0.2), rng())
    assert torch.allclose(changed.mean(dim=(1, 2, 3)), batch.mean(dim=(1, 2, 3)), atol=0.01)
    ratio = changed.std(dim=(1, 2, 3)) / batch.std(dim=(1, 2, 3))
    assert 0.8 - 1e-4 <= ratio.min() < 0.82
    assert 1.18 < ratio.max() <= 1.2 + 1e-4


def test_noise_is_at_most_the_share_and_new_in_every_image(augment_params):
    changed = augment(torch.full((200, 1, 16, 16), 128.0), augment_params(noise=0.1), rng())
    sigma = changed.std(dim=(2, 3)).squeeze()
    assert sigma.max() < 25.5 * 1.2
    assert sigma.min() < 2
    assert not torch.equal(changed[0], changed[1])


def test_blur_smooths_and_keeps_the_mean(augment_params):
    batch = torch.rand(50, 1, 32, 32) * 255
    changed = augment(batch, augment_params(blur=1.0), rng())
    assert torch.all(changed.std(dim=(2, 3)) <= batch.std(dim=(2, 3)))
    assert torch.allclose(changed.mean(dim=(2, 3)), batch.mean(dim=(2, 3)), atol=3)


def test_erase_sets_one_rectangle_to_the_mean(augment_params):
    batch = images(200, side=32)
    changed = augment(batch, augment_params(erase=0.5), rng())
    for before, after in zip(batch[:, 0], changed[:, 0], strict=True):
        erased = torch.isclose(after, before.mean()) & ~torch.isclose(before, before.mean())
        where = erased.nonzero()
        if len(where):
            (top, left), (bottom, right) = where.amin(dim=0), where.amax(dim=0)
            assert bottom - top < 17
            assert right - left < 17
            inside = after[top : bottom + 1, left : right + 1]
            assert torch.allclose(inside, before.mean().expand_as(inside))
        assert torch.equal(after[~erased], before[~erased]) or torch.allclose(after[~erased], before[~erased])
