from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from netwright.report.labels import NEAR, Box, place_labels

FRAME = Box(0, 0, 900, 400)
points = st.lists(
    st.tuples(st.floats(60, 840), st.floats(20, 380)), min_size=1, max_size=8, unique=True
)


@settings(derandomize=True, deadline=None, max_examples=15)
@given(points)
def test_names_overlap_neither_each_other_nor_the_edge(found):
    names = [f"family{i}/small" for i in range(len(found))]
    marks = [Box(x - 7, y - 7, x + 7, y + 7) for x, y in found]
    places = place_labels(found, names, marks, FRAME)
    assert len(places) == len(found)
    for a, b in combinations(places, 2):
        assert a.box.overlap(b.box) == 0
    assert all(p.box.outside(FRAME) < 1e-6 for p in places)


def test_a_lonely_name_stands_right_of_its_point_without_a_leader():
    (place,) = place_labels([(100, 100)], ["cnn"], [], FRAME)
    assert (place.x, place.anchor, place.leader) == (100 + NEAR, "start", None)


def test_a_name_at_the_right_edge_stands_left():
    (place,) = place_labels([(890, 100)], ["transformer"], [], FRAME)
    assert (place.anchor, place.leader) == ("end", None)


def test_a_name_without_room_nearby_is_led_to():
    near = Box(0, 0, 900, 140)
    (place,) = place_labels([(450, 100)], ["cnn"], [near], FRAME)
    assert place.leader is not None
    assert place.box.overlap(near) == 0


def test_a_leader_does_not_cross_what_it_need_not():
    box = Box(100, 0, 120, 50)
    assert box.crossed((80, 25), (140, 25))
    assert not box.crossed((80, 60), (140, 60))
