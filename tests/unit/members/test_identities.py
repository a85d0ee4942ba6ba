"""Each physical cluster is reached by one name."""

from __future__ import annotations

import pytest

from headgate.members.errors import ClusterError
from headgate.members.identities import Identities


def test_a_second_name_for_a_cluster_is_refused_until_the_first_lets_go() -> None:
    identities = Identities("hub")
    identities.claim("europe", "east", "uid")
    identities.claim("europe", "east", "uid")

    with pytest.raises(ClusterError, match='same cluster as "east" of ClusterPool "europe"'):
        identities.claim("europe", "east-2", "uid")
    with pytest.raises(ClusterError, match="same cluster"):
        identities.claim("asia", "east", "uid")

    identities.release("europe", "east")
    identities.claim("asia", "east", "uid")


def test_the_hub_is_no_member() -> None:
    with pytest.raises(ClusterError, match="is the cluster that Headgate runs in"):
        Identities("hub").claim("europe", "east", "hub")


def test_a_name_that_leads_elsewhere_lets_go_of_what_it_led_to() -> None:
    identities = Identities("hub")
    identities.claim("europe", "east", "before")
    identities.claim("europe", "east", "after")
    identities.claim("europe", "west", "before")

    with pytest.raises(ClusterError, match='"east"'):
        identities.claim("europe", "west", "after")
    # A claim that was refused changes nothing.
    with pytest.raises(ClusterError, match='"west"'):
        identities.claim("europe", "south", "before")
