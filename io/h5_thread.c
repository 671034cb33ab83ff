// The one thread of a process that calls HDF5, and its queue of work.
// A job that is waited for lives on the waiter's stack; a posted one is freed by the thread.
#include "io/h5_util.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { MESSAGE_MAX = 16384 };

typedef struct Work {
    struct Work *next;
    H5Job job;
    void *arg;
    bool posted;
    // when waited for:
    bool done;
    Status status;
    char *message; // [MESSAGE_MAX]
} Work;

struct H5Thread {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake, finished; // work was queued; a waited-for job is done
    Work *first, **last;
    bool stopping;
};

static Work *next_work(H5Thread *t)
{
    pthread_mutex_lock(&t->lock);
    while (!t->first && !t->stopping)
        pthread_cond_wait(&t->wake, &t->lock);
    Work *w = t->first;
    if (w) {
        t->first = w->next;
        if (!t->first)
            t->last = &t->first;
    }
    pthread_mutex_unlock(&t->lock);
    return w;
}

static void *thread_main(void *arg)
{
    H5Thread *t = arg;
    // Every file is closed before the thread stops; at exit HDF5 would touch again those whose closing failed (disk
    // full).
    H5dont_atexit();
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL); // its messages go into ours, not to stderr
    for (Work *w; (w = next_work(t));) {
        if (w->posted) {
            w->job(w->arg);
            free(w);
            continue;
        }
        Status st = w->job(w->arg);
        if (st != ST_OK)
            snprintf(w->message, MESSAGE_MAX, "%s", status_message());
        pthread_mutex_lock(&t->lock);
        w->status = st;
        w->done = true;
        pthread_cond_broadcast(&t->finished);
        pthread_mutex_unlock(&t->lock);
    }
    return NULL;
}

Status h5_thread_start(H5Thread **out)
{
    *out = NULL;
    H5Thread *t = calloc(1, sizeof *t);
    if (!t)
        return status_no_memory(sizeof *t);
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->wake, NULL);
    pthread_cond_init(&t->finished, NULL);
    t->last = &t->first;
    // Signals are for the threads that know what to do with them.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&t->thread, NULL, thread_main, t);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error) {
        free(t);
        return status_fail(ST_MEMORY, "cannot start the input/output thread: %s", strerror(error));
    }
    *out = t;
    return ST_OK;
}

void h5_thread_stop(H5Thread *t)
{
    if (!t)
        return;
    pthread_mutex_lock(&t->lock);
    t->stopping = true;
    pthread_cond_signal(&t->wake);
    pthread_mutex_unlock(&t->lock);
    pthread_join(t->thread, NULL);
    pthread_mutex_destroy(&t->lock);
    pthread_cond_destroy(&t->wake);
    pthread_cond_destroy(&t->finished);
    free(t);
}

static void append(H5Thread *t, Work *w)
{
    *t->last = w;
    t->last = &w->next;
    pthread_cond_signal(&t->wake);
}

Status h5_run(H5Thread *t, H5Job job, void *arg)
{
    if (pthread_equal(pthread_self(), t->thread))
        return job(arg);
    char message[MESSAGE_MAX];
    Work w = {.job = job, .arg = arg, .message = message};
    pthread_mutex_lock(&t->lock);
    append(t, &w);
    while (!w.done)
        pthread_cond_wait(&t->finished, &t->lock);
    pthread_mutex_unlock(&t->lock);
    return w.status == ST_OK ? ST_OK : status_fail(w.status, "%s", message);
}

Status h5_post(H5Thread *t, H5Job job, void *arg)
{
    Work *w = calloc(1, sizeof *w);
    if (!w)
        return status_no_memory(sizeof *w);
    *w = (Work){.job = job, .arg = arg, .posted = true};
    pthread_mutex_lock(&t->lock);
    append(t, w);
    pthread_mutex_unlock(&t->lock);
    return ST_OK;
}
