// Notes signals for the main loop to see. The handler's one variable is the program's only mutable global: a handler has no
// other way to say something.
#include "coordinator/signals.h"

#include <signal.h>
#include <stddef.h>
#include <stdlib.h>

static volatile sig_atomic_t caught;

static void note(int number)
{
    if (caught)
        _Exit(75);
    caught = number;
}

void signals_catch(void)
{
    struct sigaction action = {.sa_handler = note, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    signal(SIGPIPE, SIG_IGN); // a reader of the messages that goes away is no reason to stop
}

int signals_caught(void) { return caught; }
