/* SPDX-License-Identifier: MIT */
/* Raises the limit of open files. */
#include "server/data/open_files.h"

#include <sys/resource.h>

#include "server/data/databases.h"

/* Listening sockets, event loops, links to other servers; and for each database the file, its
 * second copy, the lock file and the file being written. */
#define OWN_FILES (64 + 4 * (rlim_t)DATABASES_MOST)

int64_t open_files_for(int64_t clients)
{
    const rlim_t wanted = (rlim_t)clients + OWN_FILES;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return clients;
    struct rlimit raised = limit;
    raised.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
        limit = raised;
    if (limit.rlim_cur >= wanted)
        return clients;
    return limit.rlim_cur > OWN_FILES ? (int64_t)(limit.rlim_cur - OWN_FILES) : 1;
}
