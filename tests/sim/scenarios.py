"""Whole runs by name and seed: a plan, its storm, and peace, after which all must agree."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from random import Random

from sim.storm import BASES, CALM, DISKS, LIES, TRUST, Action, Mix, Storm, plan
from sim.swarm import Node, Swarm, Weather

_PEACE_S = 240.0


@dataclass(frozen=True)
class Scenario:
    """How many peers, and what happens to them."""

    curators: int
    followers: int
    steps: int
    mix: Mix
    keys: int = 12

    @property
    def names(self) -> list[str]:
        """The peers that are there from the beginning."""
        return [f"curator{i}" for i in range(self.curators)] + [f"follower{i}" for i in range(self.followers)]

    def plan(self, seed: int) -> list[Action]:
        """What happens, given the seed."""
        return plan(Random(f"plan {seed}"), self.mix, self.names, self.steps)

    def run(self, seed: int, only: Collection[int] | None = None) -> Swarm:
        """Play the plan of a seed, or of its actions only those with these numbers; then hold all to what must be.

        Raises what is found, most often AssertionError.
        """
        actions = [action for action in self.plan(seed) if only is None or action.number in only]
        weather = Weather(gossip=seed % 3 > 0)
        swarm = Swarm(seed, curators=self.curators, followers=self.followers, keys=self.keys, weather=weather)
        Storm(swarm).play(actions)
        if _make_peace(swarm):
            swarm.judge.agreed()
        return swarm


SCENARIOS: dict[str, Scenario] = {
    "weather": Scenario(3, 3, 60, CALM),
    "disks": Scenario(3, 3, 60, {**CALM, **DISKS}),
    "bases": Scenario(3, 3, 80, {**CALM, **BASES}),
    "trust": Scenario(4, 3, 80, {**CALM, **BASES, **TRUST}),
    "lies": Scenario(3, 4, 80, {**CALM, **BASES, **LIES}),
    "everything": Scenario(5, 5, 120, {**CALM, **DISKS, **BASES, **TRUST, **LIES}),
    "crowd": Scenario(5, 45, 200, {**CALM, **DISKS, **BASES, **TRUST, **LIES}, keys=40),
}


def _make_peace(swarm: Swarm) -> bool:
    """Let all come up and meet, let the owner settle what only an owner can, and wait until all stand alike.

    Return False where a liar told everybody before anybody knew better: nobody is left then who could.
    """
    swarm.live(30.0)
    nodes = [node for node in swarm.nodes.values() if node.member is not None]
    honest = [node for node in nodes if not swarm.judge.is_fooled(node)]
    if swarm.owner.chain.head.n or len(honest) < len(nodes) or swarm.judge.is_split(nodes):
        if not honest:
            return False
        knowing = [node for node in honest if swarm.judge.stands_on(node, swarm.owner.last_base)]
        knowing = [node for node in honest if swarm.judge.stands_on(node, swarm.owner.last_base)]
        furthest = max(knowing or honest, key=_reach)
        swarm.tell(furthest, swarm.owner.chain)
        swarm.make_base(furthest, is_owners=True)
    swarm.settle(_PEACE_S)
    return True


def _reach(node: Node) -> int:
    assert node.member is not None
    return sum(head.number for head in node.member.heads().values())
