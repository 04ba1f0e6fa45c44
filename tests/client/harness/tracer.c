/* SPDX-License-Identifier: MIT */
/* Attaches strace to servers and reads its log. */
#include "tests/client/harness/tracer.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/client/harness/bytes.h"
#include "tests/client/harness/harness.h"
#include "tests/client/harness/server.h"

#define ARGS_MAX     32
#define THREADS_MAX  64
#define DETACH_LOOKS 500

const char *tracer_program(void)
{
    return HARNESS_STRACE;
}

struct arguments {
    char *texts[ARGS_MAX];
    size_t count;
};

static void add(struct arguments *arguments, const char *option, char *value)
{
    check(arguments->count + 3 < ARGS_MAX, "too many arguments");
    arguments->texts[arguments->count++] = text_format("%s", option);
    arguments->texts[arguments->count++] = value;
}

static void make_arguments(struct arguments *arguments, const struct tracer *tracer,
                           const struct server *server, const struct tracer_options *options)
{
    *arguments = (struct arguments){0};
    arguments->texts[arguments->count++] =
        text_format("-fy"); /* all threads; paths of descriptors */
    add(arguments, "-s", text_format("0"));
    add(arguments, "-o", text_format("%s", tracer->log));
    add(arguments, "-e", text_format("trace=%s", options->calls));
    for (size_t i = 0; i < TRACER_INJECTIONS && options->inject[i]; i++)
        add(arguments, "-e", text_format("inject=%s", options->inject[i]));
    for (size_t i = 0; i < TRACER_PATHS && options->paths[i]; i++)
        add(arguments, "-P", text_format("%s", options->paths[i]));
    add(arguments, "-p", text_format("%d", (int)server->process.pid));
}

static bool file_has(const char *path, const char *text)
{
    struct bytes contents = {0};
    bool found = bytes_read_file(&contents, path) && strstr(bytes_text(&contents), text);
    bytes_free(&contents);
    return found;
}

/* Once strace says so, it traces all existing threads. */
static void wait_attached(struct harness *harness, struct tracer *tracer)
{
    struct patience patience = {0};
    while (!file_has(tracer->errors, "attached")) {
        if (process_ended(&tracer->process)) {
            struct bytes errors = {0};
            (void)bytes_read_file(&errors, tracer->errors);
            bool forbidden = strstr(bytes_text(&errors), "not permitted") ||
                             strstr(bytes_text(&errors), "not implemented");
            if (!forbidden)
                fail_test("strace: %s", bytes_text(&errors));
            bytes_free(&errors);
            harness_skip(harness, "strace may not attach to other processes here");
        }
        check(patience_left(&patience), "strace does not attach");
    }
}

void tracer_attach(struct harness *harness, struct tracer *tracer, const struct server *server,
                   const struct tracer_options *options)
{
    unsigned number = ++harness->tracer_count;
    *tracer = (struct tracer){
        .log = text_format("%s/trace%u", harness->dir, number),
        .errors = text_format("%s/trace%u-errors", harness->dir, number),
    };
    struct arguments arguments;
    make_arguments(&arguments, tracer, server, options);
    const char *args[ARGS_MAX] = {0};
    for (size_t i = 0; i < arguments.count; i++)
        args[i] = arguments.texts[i];
    bool started = process_start(&tracer->process, &(struct process_options){
                                                       .program = tracer_program(),
                                                       .args = args,
                                                       .output = tracer->errors,
                                                   });
    for (size_t i = 0; i < arguments.count; i++)
        free(arguments.texts[i]);
    check(started, "cannot start strace");
    wait_attached(harness, tracer);
}

/* strace may wait for ever for threads of a killed server: then it is ended, which detaches it,
 * too. */
void tracer_detach(struct tracer *tracer)
{
    struct patience patience = {0};
    process_signal(&tracer->process, SIGTERM);
    for (int looks = 0; looks < DETACH_LOOKS && patience_left(&patience); looks++) {
        if (process_ended(&tracer->process))
            return;
    }
    process_kill(&tracer->process);
}

void tracer_free(struct tracer *tracer)
{
    tracer_detach(tracer);
    free(tracer->log);
    free(tracer->errors);
    *tracer = (struct tracer){0};
}

bool tracer_saw(const struct tracer *tracer, const char *text)
{
    return file_has(tracer->log, text);
}

bool tracer_stands(const struct tracer *tracer)
{
    return tracer_saw(tracer, "--- stopped by ");
}

/* How often each thread has made each call. */
struct counts {
    struct count {
        char thread[16], call[24];
        unsigned calls;
    } items[THREADS_MAX * 8];
    size_t count;
};

static unsigned count_up(struct counts *counts, const char *thread, const char *call)
{
    for (size_t i = 0; i < counts->count; i++) {
        struct count *item = &counts->items[i];
        if (!strcmp(item->thread, thread) && !strcmp(item->call, call))
            return ++item->calls;
    }
    check(counts->count < sizeof counts->items / sizeof *counts->items, "too many threads");
    struct count *item = &counts->items[counts->count++];
    snprintf(item->thread, sizeof item->thread, "%s", thread);
    snprintf(item->call, sizeof item->call, "%s", call);
    item->calls = 1;
    return 1;
}

static bool has_step(const struct tracer_step *steps, size_t count, const struct tracer_step *step)
{
    for (size_t i = 0; i < count; i++) {
        if (!strcmp(steps[i].call, step->call) && steps[i].when == step->when)
            return true;
    }
    return false;
}

size_t tracer_steps(const struct tracer *tracer, const char *directory, struct tracer_step *steps,
                    size_t most)
{
    struct bytes log = {0};
    struct counts counts = {.count = 0};
    size_t count = 0;
    check(bytes_read_file(&log, tracer->log), "%s cannot be read", tracer->log);
    bytes_append_text(&log, "");
    char *save = NULL;
    for (char *line = strtok_r((char *)log.data, "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        char thread[16], call[24];
        /* "12345 name(": not a signal, and not the rest of an interrupted call */
        if (sscanf(line, "%15[0-9] %23[a-z0-9_](", thread, call) != 2)
            continue;
        struct tracer_step step = {.when = count_up(&counts, thread, call)};
        snprintf(step.call, sizeof step.call, "%s", call);
        snprintf(step.text, sizeof step.text, "%s", line + strlen(thread) + 1);
        /* The sockets of peers have no part in a commit. */
        if (count < most && strstr(line, directory) && !strstr(line, ".peers") &&
            !has_step(steps, count, &step))
            steps[count++] = step;
    }
    bytes_free(&log);
    return count;
}
