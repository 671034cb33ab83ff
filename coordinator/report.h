// Reports: what a run says about itself: at the start (-v), as a plan (--dry-run), at the end, as JSON, as a profile.
#ifndef TSB_COORDINATOR_REPORT_H
#define TSB_COORDINATOR_REPORT_H

#include "coordinator/json.h"
#include "coordinator/lanes.h"

typedef struct RankReport { // of every rank; plain data, it travels
    int lanes;
    int replica, stage; // -1: idle
    bool gathers;
    char host[64];
    double started, finished, cpu_seconds; // job_clock; user and system time of the process
    int64_t peak_memory; // bytes
    LaneStats stats;
    H5ReaderStats reader;
} RankReport;

typedef struct RunReport { // on rank 0
    const Job *job;
    const char *output;
    int64_t samples, samples_before, errors; // all done; done before this run
    double master_seconds;
} RunReport;

void report_start(const Job *j, bool resumed);
// --dry-run, to stdout. ST_IO when it cannot be written.
Status report_plan(const Job *j);
// Collective. Fills in the rest of `mine`; on rank 0 prints the closing line and writes --report.
Status report_write(const RunReport *run, RankReport *mine);
// Collective. A table of time per operator, summed over all lanes of all ranks, to stderr of rank 0.
Status report_profile(const Job *j, const Lanes *l);

// Version, machine, options: what every JSON report begins with.
Json *report_json_head(const Options *o, Comm *c);
void report_rank_usage(RankReport *mine);
// The table of --profile over any source of rows.
typedef struct ProfileTable ProfileTable;
ProfileTable *profile_new(void);
void profile_add(void *table, const char *op, const char *variant, const SiteProfile *p); // a ProfileRow
Status profile_print(Comm *c, ProfileTable *t); // collective
void profile_free(ProfileTable *t);

#endif
