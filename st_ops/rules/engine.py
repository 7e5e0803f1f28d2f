"""The rules engine: events in, enforcements and requested executions out, in one transaction per batch."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from st_ops.bus.interface import Bus
from st_ops.bus.loop import EngineLoop
from st_ops.errors import ExpressionError, Unavailable, UserError
from st_ops.executions.lifecycle import Bells
from st_ops.executions.requests import Request, Requests
from st_ops.expressions.jinja import Templates
from st_ops.expressions.parameter_schema import schema_of
from st_ops.logs import facts
from st_ops.metrics import Metrics
from st_ops.model.base import Object
from st_ops.model.bells import Topic
from st_ops.model.events import EnforcementStatus, InstanceStatus, RuleEnforcement, TriggerInstance
from st_ops.model.identity import now
from st_ops.model.records import AuditEntry
from st_ops.model.resources import Rule
from st_ops.packs.catalog import Catalog, Snapshot
from st_ops.rules.enforce import action_context, render_action, render_run_key
from st_ops.rules.matcher import Match, RuleSet
from st_ops.rules.partitions import Partitions, numbers_of, still_held
from st_ops.security.key_values import KeyValues
from st_ops.settings import RulesSettings, WorkerSettings
from st_ops.store import audit, events
from st_ops.store.database import Database, Tx
from st_ops.store.membership import Membership

log = logging.getLogger(__name__)

#: After a batch, seconds of rest for each of its events, and at most: under load what comes meanwhile shares a
#: transaction, in which most of the work is the same for one event as for many. A lone event waits for nothing.
_REST_EACH, _REST_MOST = 0.0002, 0.02

#: The user of executions that rules request (StackStorm's system user).
RULES_USER = "stanley"


class RulesEngine:
    """Matches pending events of the partitions it holds, in the order of their acceptance (guarantee 11)."""

    def __init__(
        self,
        database: Database,
        bus: Bus,
        catalog: Catalog,
        requests: Requests,
        key_values: KeyValues,
        configs: Callable[[str], Mapping[str, Any]],
        settings: RulesSettings,
        lease: WorkerSettings,
        sweep_seconds: float,
        metrics: Metrics | None = None,
    ) -> None:
        """``configs`` answers the resolved config of a pack.

        ``lease`` says how long silence means death, and how often to show life.
        """
        self._database = database
        self._bus = bus
        self._catalog = catalog
        self._requests = requests
        self._key_values = key_values
        self._configs = configs
        self._batch = settings.batch
        self._metrics = metrics or Metrics()
        self._templates = Templates(key_values.decrypt)
        self._rules: tuple[int, RuleSet] = (-2, RuleSet([], self._templates))
        self._partitions = Partitions(database, lease.lease_seconds)
        #: When the next batch may begin, on the monotonic clock.
        self._rests_until = 0.0
        self._membership = Membership(
            database, kind="rules", settings=lease, on_beat=self._balance, on_lost=self._lose
        )
        self._loop = EngineLoop("rules", bus, [Topic.EVENT_ACCEPTED], self._drain, sweep_seconds)

    def open(self) -> None:
        """Take a share of the partitions and start matching."""
        self._membership.open()
        self._balance()
        self._loop.open()

    def close(self) -> None:
        """Let the batch under way end and give the partitions back. Idempotent."""
        self._loop.close()
        self._partitions.release(self._membership.id)
        self._membership.close()

    def _balance(self) -> None:
        if self._partitions.balance(self._membership.id):
            self._loop.wake()

    def _lose(self) -> None:
        # Under the name that is about to be given up; the next beat takes a share under the new one.
        log.error("The lease of this rules engine lapsed; others match what it held.")
        self._partitions.release(self._membership.id)

    def _rule_set(self, snapshot: Snapshot) -> RuleSet:
        version, rules = self._rules
        if version != snapshot.version:
            rules = RuleSet([rule for rule in snapshot.rules.values() if rule.enabled], self._templates)
            self._rules = (snapshot.version, rules)
        return rules

    def _drain(self) -> bool:
        """Match one batch; True when there may be more."""
        self._rest()
        held = self._partitions.held()
        numbers = numbers_of(held)
        if numbers == []:
            return False
        with self._database.read() as tx:
            batch = events.pending(tx, numbers, self._batch)
            if not batch:
                return False
            snapshot = self._catalog.current(tx)
        if not self._process(batch, snapshot, held):
            log.warning("Partitions were lost meanwhile; another engine matches these events.")
            return False
        full = len(batch) == self._batch
        self._rests_until = 0.0 if full else time.monotonic() + min(len(batch) * _REST_EACH, _REST_MOST)
        return full

    def _rest(self) -> None:
        rest = self._rests_until - time.monotonic()
        if rest > 0 and not self._loop.closing:
            time.sleep(rest)

    def _process(self, batch: Sequence[TriggerInstance], snapshot: Snapshot, held: Mapping[int, int]) -> bool:
        """Match these events in one transaction; False when they are another engine's by now."""
        rules = self._rule_set(snapshot)
        bells = Bells()
        try:
            decided = [(event, self._match(rules, event)) for event in batch]
            with self._database.write() as tx:
                if not still_held(tx, self._membership.id, held):
                    return False
                self._record(tx, snapshot, decided, bells)
        except Unavailable:
            raise
        except Exception as exc:  # one event that nobody can match must not hold up the others for ever
            if len(batch) > 1:
                log.warning("A batch of %d events failed (%s); matching one by one.", len(batch), exc)
                return all(self._process([event], snapshot, held) for event in batch)
            log.exception("An event cannot be matched.", extra=facts(trigger_instance_id=batch[0].id))
            return self._give_up(batch[0], held, exc)
        bells.ring(self._bus)
        return True

    def _give_up(self, event: TriggerInstance, held: Mapping[int, int], error: Exception) -> bool:
        reason = f"The event cannot be matched: {type(error).__name__}: {error}".replace("\0", "\\0")
        with self._database.write() as tx:
            if not still_held(tx, self._membership.id, held):
                return False
            events.finish(tx, [event.id], InstanceStatus.PROCESSING_FAILED)
            audit.record(tx, [AuditEntry(
                actor="rules", verb="match_failed", kind="trigger_instance", ref=event.trigger, subject_id=event.id,
                trace_id=event.trace_id or event.id, reason=reason,
            )])  # fmt: skip
        return True

    def _count(
        self, batch: Sequence[TriggerInstance], entries: Sequence[RuleEnforcement], failed: int
    ) -> None:
        """Once a batch is committed."""
        moment = now()
        for event in batch:
            self._metrics.match_seconds.observe(max(0.0, (moment - event.occurrence_time).total_seconds()))
        self._metrics.processed.labels(InstanceStatus.PROCESSED.value).inc(len(batch) - failed)
        if failed:
            self._metrics.processed.labels(InstanceStatus.PROCESSING_FAILED.value).inc(failed)
        for entry in entries:
            self._metrics.enforced.labels(entry.rule_ref, entry.status.value).inc()

    def _match(self, rules: RuleSet, event: TriggerInstance) -> list[Match]:
        return rules.match(event.trigger, event.payload, self._key_values.lookup, now())

    def _record(
        self, tx: Tx, snapshot: Snapshot, decided: Sequence[tuple[TriggerInstance, list[Match]]], bells: Bells
    ) -> None:
        """Write what was decided: enforcements, executions, audit, and that the events are done."""
        # What was enforced before a crash, or by another engine, is not enforced again.
        enforced = events.enforced_pairs(tx, [event.id for event, found in decided if found])
        wishes: list[tuple[TriggerInstance, Match, Request | None, str]] = []
        failed = set()
        for event, found in decided:
            for match in found:
                if (event.id, match.rule.ref) in enforced:
                    continue
                wish, error = self._wish(snapshot, event, match)
                wishes.append((event, match, wish, error))
                if error:
                    failed.add(event.id)
        stored = iter(
            self._requests.request_in(tx, [wish for _, _, wish, _ in wishes if wish is not None], bells)
        )
        entries = [
            _enforcement(event, match.rule, next(stored).id if wish is not None else None, error)
            for event, match, wish, error in wishes
        ]
        events.insert_enforcements(tx, entries)
        audit.record(tx, [_audit(event, entry) for (event, *_), entry in zip(wishes, entries, strict=True)])
        bells.after.append(partial(self._count, [event for event, _ in decided], entries, len(failed)))
        done = [event.id for event, _ in decided]
        events.finish(tx, [key for key in done if key not in failed], InstanceStatus.PROCESSED)
        events.finish(tx, [key for key in done if key in failed], InstanceStatus.PROCESSING_FAILED)
        for entry in entries:
            log.info("Rule %s matched.", entry.rule_ref, extra=facts(
                trigger_instance_id=entry.trigger_instance_id, execution_id=entry.execution_id))  # fmt: skip

    def _wish(self, snapshot: Snapshot, event: TriggerInstance, match: Match) -> tuple[Request | None, str]:
        """The execution a match asks for, or why there is none."""
        if match.error is not None:
            return None, match.error
        rule = match.rule
        pack = rule.action.ref.partition(".")[0]
        context = _context(event, rule, pack)
        action = snapshot.actions.get(rule.action.ref)
        try:
            with self._key_values.noting() as decrypted:
                parameters = render_action(
                    rule, event, self._key_values.lookup, templates=self._templates,
                    schema=schema_of(action) if action else None, context=context, config=self._configs(pack),
                    user=RULES_USER,
                )  # fmt: skip
        except (ExpressionError, UserError) as exc:
            return None, f"A parameter of action '{rule.action.ref}' could not be rendered: {exc}"
        try:
            run_key = render_run_key(
                rule, event, self._key_values.lookup, templates=self._templates, context=context,
                config=self._configs(pack), user=RULES_USER,
            )  # fmt: skip
        except (ExpressionError, UserError) as exc:
            return None, f"The run key could not be rendered: {exc}"
        wish = _request(event, rule, parameters, context, run_key)
        return wish.model_copy(update={"hidden": decrypted}) if decrypted else wish, ""


def _context(event: TriggerInstance, rule: Rule, pack: str) -> Object:
    """The context of the requested execution: StackStorm's, with the event's series and episode."""
    found = action_context(rule, event, user=RULES_USER, pack=pack)
    instance = {**found["trigger_instance"], "series": event.series, "episode": event.episode}
    trace = {"trace_tag": event.trace_tag or f"trigger_instance-{event.id}"}
    return {**found, "trigger_instance": instance, "trace_context": trace}


def _request(
    event: TriggerInstance, rule: Rule, parameters: Object, context: Object, run_key: str | None
) -> Request:
    return Request(
        action=rule.action.ref, parameters=parameters, user=RULES_USER, context=context, rule=rule.ref,
        trigger_instance_id=event.id, trace_id=event.trace_id or event.id, names={"trigger": event.payload},
        literal=True, concurrency=rule.concurrency, run_key=run_key, queue=rule.queue, needs=rule.needs,
    )  # fmt: skip


def _enforcement(event: TriggerInstance, rule: Rule, execution_id: str | None, error: str) -> RuleEnforcement:
    status = EnforcementStatus.FAILED if error else EnforcementStatus.SUCCEEDED
    return RuleEnforcement(
        rule_ref=rule.ref,
        trigger_instance_id=event.id,
        execution_id=execution_id,
        failure_reason=error,
        status=status,
    )


def _audit(event: TriggerInstance, entry: RuleEnforcement) -> AuditEntry:
    detail = {"trigger_instance_id": event.id, "execution_id": entry.execution_id}
    return AuditEntry(
        actor="rules", verb="matched" if entry.execution_id else "match_failed", kind="rule", ref=entry.rule_ref,
        subject_id=entry.id, trace_id=event.trace_id or event.id, reason=entry.failure_reason, detail=detail,
    )  # fmt: skip
