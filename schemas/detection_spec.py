"""How each detector judges one tenant's traffic: one struct a detector, one field of Detection each.

Keys of Detection are the names of the detectors as alerts and feedback bear them. A default is what was measured or
published; the file of the detector cites it. Shapes and bounds only; what a parameter does is not known here.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from schemas.spec import Pattern, Spec

Share = Annotated[float, Meta(ge=0, le=1, description="between 0 and 1")]
Count = Annotated[int, Meta(ge=1)]


class DetectorSpec(Spec, frozen=True, kw_only=True):
    """What every detector knows. exempt: patterns of names it never tells about."""

    enabled: bool = True
    exempt: list[Pattern] = []


class HeavyHittersSpec(DetectorSpec, frozen=True, kw_only=True):
    """Exfiltration and tunnelling. floor_factor: multiplies the floors of all windows."""

    floor_factor: Annotated[float, Meta(ge=0.1, le=100)] = 1.0


class NxdomainStormSpec(DetectorSpec, frozen=True, kw_only=True):
    """Random-subdomain attack and NXDOMAIN storm. z: deviations above normal; floor: failures a minute."""

    z: Annotated[float, Meta(ge=1, le=100)] = 4.0
    floor: Count = 120


class DgaSpec(DetectorSpec, frozen=True, kw_only=True):
    """Generated names of malware.

    names: different failed names of a client within an hour that make a crop worth judging; words: the same where names
    are made of words and only their number tells; threshold: log odds of being generated, mean of a crop less error.
    """

    names: Annotated[int, Meta(ge=8, le=48)] = 12
    words: Annotated[int, Meta(ge=8, le=48)] = 24
    threshold: Annotated[float, Meta(ge=-8, le=4)] = -2.0


class BeaconingSpec(DetectorSpec, frozen=True, kw_only=True):
    """Regular contact, as malware keeps with its master.

    score: from which on a pair of client and name is told; contacts: how many there must be; hours: how long the tenant
    must have been watched; new_per_day: pairs told for the first time a day.
    """

    score: Share = 0.85
    contacts: Annotated[int, Meta(ge=8, le=64)] = 20
    hours: Annotated[float, Meta(ge=2, le=24)] = 2.0
    new_per_day: Count = 20


class NewlyObservedSpec(DetectorSpec, frozen=True, kw_only=True):
    """Names this tenant never asked before.

    learning_hours: how long a tenant is watched before anything is called new; new_hours: how long a name is new;
    burst: new names of one client within 10 minutes that are worth an alert; z: deviations above what it usually meets.
    """

    learning_hours: Annotated[float, Meta(ge=0, le=720)] = 24.0
    new_hours: Annotated[float, Meta(gt=0, le=720)] = 24.0
    burst: Count = 100
    z: Annotated[float, Meta(ge=1, le=100)] = 6.0


class FastFluxSpec(DetectorSpec, frozen=True, kw_only=True):
    """Names whose addresses change all the time and lie everywhere.

    ttl_s: longest TTL that counts; addresses: different ones within an hour; spread: (networks-1)/(addresses-1);
    rotations: different sets of addresses seen.
    """

    ttl_s: Annotated[int, Meta(ge=1, le=86400)] = 300
    addresses: Annotated[int, Meta(ge=2, le=32)] = 10
    spread: Share = 0.5
    rotations: Annotated[int, Meta(ge=2, le=16)] = 3


class RebindingSpec(DetectorSpec, frozen=True, kw_only=True):
    """Names that answer with public, then with private addresses. window_s: seconds between the two."""

    window_s: Annotated[int, Meta(ge=60, le=86400)] = 3600


class PolicyProbingSpec(DetectorSpec, frozen=True, kw_only=True):
    """A client walking through what it may not see.

    z: deviations above what the client usually does; hidden: different hidden or denied names of internal zones within
    10 minutes; denied: different denied names of other zones; retries: denials of a few names, over and over.
    """

    z: Annotated[float, Meta(ge=1, le=100)] = 6.0
    hidden: Count = 20
    denied: Count = 100
    retries: Count = 1200


class PolicyShiftSpec(DetectorSpec, frozen=True, kw_only=True):
    """Verdicts that changed with a version of the policy.

    floor: how far a verdict's share of the queries must move; medium: from where on that is of medium severity;
    z: deviations; audit_share: share of queries a rule in audit mode would have denied that is worth telling.
    """

    floor: Share = 0.1
    medium: Share = 0.25
    z: Annotated[float, Meta(ge=1, le=100)] = 5.0
    audit_share: Share = 0.05


class ServiceTroubleSpec(DetectorSpec, frozen=True, kw_only=True):
    """Upstream servers or answer sources that fail or slow down.

    z: deviations above normal, for so many minutes in a row. failing: share of failures, and slow_ms: median in
    milliseconds, below which nothing is told; factor: times as slow as usual. fewest: queries a minute that are judged.
    """

    z: Annotated[float, Meta(ge=1, le=100)] = 4.0
    failing: Share = 0.1
    slow_ms: Annotated[float, Meta(ge=0.1, le=60_000)] = 50.0
    factor: Annotated[float, Meta(ge=1, le=1000)] = 3.0
    fewest: Count = 20
    minutes: Annotated[int, Meta(ge=1, le=60)] = 2


class VolumeSpec(DetectorSpec, frozen=True, kw_only=True):
    """More or fewer queries than this hour of the week usually has.

    z: deviations off normal. factor: times as many as usual, and floor: queries a minute more than usual, that a rise
    needs for so many minutes in a row. busy: queries a minute that are usual where silence is told, after
    silence_minutes. client_floor: queries a minute below which no client is told.
    """

    z: Annotated[float, Meta(ge=1, le=100)] = 4.0
    factor: Annotated[float, Meta(ge=1, le=1000)] = 3.0
    floor: Count = 600
    minutes: Annotated[int, Meta(ge=1, le=60)] = 3
    busy: Count = 60
    silence_minutes: Annotated[int, Meta(ge=2, le=1440)] = 10
    client_floor: Count = 600


class Detection(Spec, frozen=True, kw_only=True, rename=str.lower):
    """Parameters of every detector, by the detector's name."""

    heavy_hitters: HeavyHittersSpec = HeavyHittersSpec()
    nxdomain_storm: NxdomainStormSpec = NxdomainStormSpec()
    dga: DgaSpec = DgaSpec()
    beaconing: BeaconingSpec = BeaconingSpec()
    newly_observed: NewlyObservedSpec = NewlyObservedSpec()
    fast_flux: FastFluxSpec = FastFluxSpec()
    rebinding: RebindingSpec = RebindingSpec()
    policy_probing: PolicyProbingSpec = PolicyProbingSpec()
    policy_shift: PolicyShiftSpec = PolicyShiftSpec()
    service_trouble: ServiceTroubleSpec = ServiceTroubleSpec()
    volume: VolumeSpec = VolumeSpec()

    def of(self, detector: str) -> DetectorSpec:
        """Parameters of a detector by its name."""
        found: DetectorSpec = getattr(self, detector)
        return found
