// Beats between ranks, and the thread that sends and counts them; and deadlines for when there are none.
// The watch shares the comm with the main thread by its lock, held for one message at a time.
#include "coordinator/watch.h"

#include "coordinator/comm_backend.h"
#include "coordinator/signals.h"
#include "io/base/log.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

Status watch_state_init(WatchState *s, int self, int size, double limit)
{
    size_t peers = self == 0 ? (size_t)size : 1;
    *s = (WatchState){.self = self, .size = size, .limit = limit, .beaten = -WATCH_BEAT};
    s->heard = calloc(peers, sizeof *s->heard);
    return s->heard ? ST_OK : status_no_memory(peers * sizeof *s->heard);
}

void watch_state_free(WatchState *s)
{
    free(s->heard);
    s->heard = NULL;
}

bool watch_advance(WatchState *s, double elapsed)
{
    s->clock += elapsed < WATCH_STEP ? elapsed : WATCH_STEP;
    if (s->clock - s->beaten < WATCH_BEAT)
        return false;
    s->beaten = s->clock;
    return true;
}

void watch_heard(WatchState *s, int from)
{
    if (s->self == 0 ? from > 0 && from < s->size : from == 0)
        s->heard[from] = s->clock;
}

int watch_lost(const WatchState *s)
{
    double late = s->self * WATCH_TICK < WATCH_STAGGER ? s->self * WATCH_TICK : WATCH_STAGGER;
    if (s->self != 0)
        return s->clock - s->heard[0] > s->limit + late ? 0 : -1;
    for (int i = 1; i < s->size; i++)
        if (s->clock - s->heard[i] > s->limit)
            return i;
    return -1;
}

// What ends a thread that sleeps.
typedef struct Alarm {
    pthread_t thread;
    pthread_mutex_t lock; // of `ended`
    pthread_cond_t wake;
    bool ended;
} Alarm;

struct Watch {
    Comm *comm;
    WatchState state;
    Alarm alarm;
};

struct Deadline {
    double seconds;
    const char *what;
    Alarm alarm;
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

// False: woken by alarm_end.
static bool alarm_sleep(Alarm *a, double seconds)
{
    double end = now() + seconds;
    struct timespec until = {(time_t)end, (long)((end - floor(end)) * 1e9)};
    pthread_mutex_lock(&a->lock);
    int code = 0;
    while (!a->ended && code == 0)
        code = pthread_cond_clockwait(&a->wake, &a->lock, CLOCK_MONOTONIC, &until);
    bool slept = !a->ended;
    pthread_mutex_unlock(&a->lock);
    return slept;
}

static int alarm_start(Alarm *a, void *(*run)(void *), void *ctx)
{
    a->lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    a->wake = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
    // Signals are for the main thread, whose sleep they end.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = pthread_create(&a->thread, NULL, run, ctx);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code;
}

static void alarm_end(Alarm *a)
{
    pthread_mutex_lock(&a->lock);
    a->ended = true;
    pthread_cond_signal(&a->wake);
    pthread_mutex_unlock(&a->lock);
    pthread_join(a->thread, NULL);
    pthread_mutex_destroy(&a->lock);
    pthread_cond_destroy(&a->wake);
}

static void send_beats(Watch *w, Beat beat)
{
    Comm *c = w->comm;
    int first = w->state.self == 0 ? 1 : 0, end = w->state.self == 0 ? w->state.size : 1;
    for (int to = first; to < end; to++) {
        comm_lock(c);
        c->backend->beat(c, to, beat);
        comm_unlock(c);
    }
}

// False: rank 0 has ended the run.
static bool take_beats(Watch *w)
{
    Comm *c = w->comm;
    for (;;) {
        int from;
        comm_lock(c);
        Beat beat = c->backend->take_beat(c, &from);
        comm_unlock(c);
        if (beat != BEAT_ALIVE)
            return beat == BEAT_NONE;
        watch_heard(&w->state, from);
    }
}

_Noreturn static void end_run(Watch *w, int lost)
{
    // A process that is being ended from outside has nothing to say about the others.
    if (!signals_caught())
        log_error("rank %d on host %s has not been heard of for %.0f s: it is taken for lost; --resume continues", lost, comm_host(w->comm, lost), w->state.limit);
    if (w->state.self == 0)
        send_beats(w, BEAT_OVER);
    comm_abort(w->comm, status_exit_code(ST_INTERRUPTED));
}

static void *watch_main(void *arg)
{
    Watch *w = arg;
    for (double last = now(); alarm_sleep(&w->alarm, WATCH_TICK);) {
        double at = now();
        bool due = watch_advance(&w->state, at - last);
        last = at;
        if (due)
            send_beats(w, BEAT_ALIVE);
        if (!take_beats(w))
            comm_abort(w->comm, status_exit_code(ST_INTERRUPTED));
        int lost = watch_lost(&w->state);
        if (lost >= 0)
            end_run(w, lost);
    }
    return NULL;
}

Status watch_start(Comm *c, double limit, Watch **out)
{
    *out = NULL;
    if (c->size == 1 || !c->backend->beat || limit <= 0)
        return ST_OK;
    Watch *w = calloc(1, sizeof *w);
    if (!w)
        return status_no_memory(sizeof *w);
    w->comm = c;
    Status s = watch_state_init(&w->state, c->rank, c->size, limit);
    if (s != ST_OK) {
        free(w);
        return s;
    }
    int code = alarm_start(&w->alarm, watch_main, w);
    if (code != 0) {
        watch_state_free(&w->state);
        free(w);
        return status_fail(ST_MEMORY, "cannot start the thread that watches the other ranks: %s", strerror(code));
    }
    *out = w;
    return ST_OK;
}

void watch_stop(Watch *w)
{
    if (!w)
        return;
    alarm_end(&w->alarm);
    watch_state_free(&w->state);
    free(w);
}

static void *deadline_main(void *arg)
{
    Deadline *d = arg;
    if (!alarm_sleep(&d->alarm, d->seconds))
        return NULL;
    log_error("%s takes more than %.0f s: a process, its host or the network is lost; --resume continues", d->what, d->seconds);
    _Exit(status_exit_code(ST_INTERRUPTED));
}

Deadline *deadline_start(double seconds, const char *what)
{
    Deadline *d = calloc(1, sizeof *d);
    if (!d)
        return NULL;
    d->seconds = seconds;
    d->what = what;
    if (alarm_start(&d->alarm, deadline_main, d) == 0)
        return d;
    free(d);
    return NULL;
}

void deadline_met(Deadline *d)
{
    if (!d)
        return;
    alarm_end(&d->alarm);
    free(d);
}
