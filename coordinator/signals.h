// Signals that end a run: SIGINT, SIGTERM, and SIGUSR1, with which Slurm announces the end of the wall time.
#ifndef TSB_COORDINATOR_SIGNALS_H
#define TSB_COORDINATOR_SIGNALS_H

// From now on these signals are noted. The second one ends the process at once with exit code 75: the output is valid at
// every instant.
void signals_catch(void);
// The noted signal, or 0.
int signals_caught(void);

#endif
