"""Who is given what: models in memory first, the longest work first, leases that become smaller."""

from __future__ import annotations

from harness.execute.driver.scheduler import PART, SHORTEST, Lease, Queue, Scheduler


def queue(model: str, count: int, *, cost: float = 1.0, **more: float) -> Queue:
    found = Queue(model=model, cost=cost, expected=count, **more)
    found.open(range(count))
    return found


def scheduler(*queues: Queue, workers: int, **more: object) -> Scheduler:
    made = Scheduler(queues, **more)
    for worker in range(workers):
        made.join(worker)
    return made


def lease(made: Scheduler, worker: int) -> Lease:
    found = made.lease(worker)
    assert found is not None
    return found


def finish(made: Scheduler, worker: int) -> None:
    made.stored(worker, made.of(worker).items)
    assert made.done(worker) == ()


def test_one_worker_goes_by_the_plan_and_loads_ahead():
    a, b = queue("m", 3), queue("m", 2, cost=50.0)
    made = scheduler(a, b, queue("n", 900, cost=9.0), workers=1, whole=True)
    first = lease(made, 0)
    assert (first.queue, first.items, first.then) == (a, (0, 1, 2), "n")
    finish(made, 0)
    second = lease(made, 0)
    assert (second.queue, second.items) == (b, (0, 1)), "all of it, and m before n"
    finish(made, 0)
    assert lease(made, 0).then is None


def test_a_worker_stays_with_its_models():
    small, large = queue("m", 2000), queue("n", 3000)
    made = scheduler(small, large, workers=2)
    leases = list(made.leases())
    assert [each.queue for each in leases] == [large, small], "the most urgent model first"
    finish(made, 1)
    assert lease(made, 1).queue is small, "though more is left of the other"
    finish(made, 1)
    made.holds(1, ["n"])
    assert lease(made, 1).queue is large, "its memory held no more than that"


def test_a_model_is_loaded_where_that_saves_time():
    made = scheduler(queue("m", 30), workers=2, loading={"m": 100.0})
    assert lease(made, 0).queue.model == "m", "somebody has to"
    assert made.lease(1) is None
    made = scheduler(queue("m", 3000), workers=2, loading={"m": 100.0})
    assert len(list(made.leases())) == 2


def test_no_model_takes_workers_that_others_will_need():
    ready, later = queue("m", 1000), Queue(model="n", cost=1.0, expected=1000)
    made = scheduler(ready, later, queue("n", 1), workers=4)
    assert sorted(each.queue.model for each in made.leases()) == ["m", "m", "n"]
    assert made.idle == [3], "half of the work is on n"
    later.open(range(1000))
    assert lease(made, 3).queue is later


def test_what_takes_longest_begins_first():
    short, long = queue("m", 1000), queue("m", 10, cost=40.0)
    first = queue("m", 100, cost=0.1, after=40.0)
    made = scheduler(short, long, first, workers=2)
    assert lease(made, 0).queue is first, "what is longest waits for it"
    while first.is_ready:
        finish(made, 0)
        lease(made, 0)
    assert lease(made, 1).queue is long


def test_a_lower_stage_comes_first():
    early, late = queue("m", 5), queue("n", 5000, stage=1)
    made = scheduler(late, early, workers=2)
    assert lease(made, 0).queue is early
    assert lease(made, 1).queue is late, "rather than wait"


def test_leases_become_smaller():
    work = queue("m", 1_000_000, cost=0.01)
    made = scheduler(work, workers=4, loading={"m": 0.0})
    sizes = []
    while work.is_ready:
        for each in list(made.leases()):
            sizes.append(len(each.items) * work.cost)
            finish(made, each.worker)
    assert sizes[0] == 10_000 / 4 / PART
    assert sizes == sorted(sizes, reverse=True)
    assert 0 < sizes[-1] <= sizes[-2] <= 2 * SHORTEST


def test_batches_are_full_while_there_is_enough():
    work = [queue("m", 60, cost=1.0, batch=50) for _ in range(10)]
    made = scheduler(*work, workers=2, loading={"m": 0.0})
    assert len(lease(made, 0).items) >= 50
    made = scheduler(queue("m", 60, batch=50), workers=2, loading={"m": 0.0})
    assert len(lease(made, 0).items) == 30, "not more than its part of the last"


def test_what_a_lost_worker_left_is_done_by_others():
    work = queue("m", 4, cost=0.1)
    made = scheduler(work, workers=1)
    assert lease(made, 0).items == (0, 1, 2, 3)
    made.stored(0, [0])
    assert made.lost(0, suspects=[2, 3]) is None
    assert made.lost(0) is None, "it is gone"
    made.join(7)
    found = []
    while made.is_ready:
        found.append(lease(made, 7).items)
        finish(made, 7)
    assert found == [(1,), (2,), (3,)], "the innocent one first, halves of the others apart"


def test_the_last_suspect_is_the_culprit():
    work = queue("m", 2)
    made = scheduler(work, workers=1)
    lease(made, 0)
    made.stored(0, [1])
    assert made.lost(0) == 0
    assert not made.is_ready, "it is for the caller to decide"
    made.isolate(work, 0)
    assert made.is_ready


def test_a_queue_that_is_given_up_stays_empty():
    work = queue("m", 1000)
    made = scheduler(work, workers=2, loading={"m": 0.0})
    assert len(list(made.leases())) == 2
    work.clear()
    assert made.lost(0) is None
    assert made.lost(1, suspects=[0]) is None
    work.open([1000, 1001])
    assert not made.is_ready
    assert not work.left
