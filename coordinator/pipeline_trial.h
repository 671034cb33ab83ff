// A trial of the stages before the run: what each really takes, with its weights in the caches they will be in and all cores
// busy. Of pipeline.c.
#ifndef TSB_COORDINATOR_PIPELINE_TRIAL_H
#define TSB_COORDINATOR_PIPELINE_TRIAL_H

#include "coordinator/job.h"

// The first batch goes once through all pipelines, then all stages compute it at the same time, again and again. Collective,
// idle ranks included; j->pipeline has its stages. seconds: [stages], of a batch in the slowest of the pipelines; all zero
// when the model raised on it. What kernels pack stays for the run.
Status pipeline_trial(Job *j, double *seconds);

#endif
