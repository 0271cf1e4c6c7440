"""The table of detectors: a new one is a file in this folder and a line here."""

from __future__ import annotations

from streams.detectors.beaconing import Beaconing
from streams.detectors.dga import Dga
from streams.detectors.fast_flux import FastFlux
from streams.detectors.finding import Detector
from streams.detectors.heavy_hitters import HeavyHitters
from streams.detectors.newly_observed import NewlyObserved
from streams.detectors.nxdomain_storm import NxdomainStorm
from streams.detectors.policy_probing import PolicyProbing
from streams.detectors.policy_shift import PolicyShift
from streams.detectors.rebinding import Rebinding
from streams.detectors.service_trouble import ServiceTrouble
from streams.detectors.volume import Volume

DETECTORS: tuple[type[Detector], ...] = (
    HeavyHitters,
    Beaconing,
    NxdomainStorm,
    Dga,
    FastFlux,
    Rebinding,
    NewlyObserved,
    PolicyProbing,
    PolicyShift,
    ServiceTrouble,
    Volume,
)
