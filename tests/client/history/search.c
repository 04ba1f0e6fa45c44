/* SPDX-License-Identifier: MIT */
/* Looks for one order of a group's operations that explains all answers.
 *
 * A list holds the calls and returns of all operations by time.  Any operation called before the
 * first remaining return may be next in the order: it is placed, that is, its call and return leave
 * the list and the state changes by its effect; and so on.  At a return the search cannot go on:
 * everything that could have come before it was tried, so the last operation is taken back.
 *
 * The set of placed operations and the state after them determine what can follow, so no such pair
 * is examined twice.  Two rules keep the tries few and are right in any history:
 *  - An operation whose answer shows that it changed nothing is placed as soon as it fits, and is
 *    not tried later: anything that can follow then can follow now.  (The exception is an answer
 *    that narrows the time at which a key ends: that changes the state.)
 *  - An operation without an answer is tried last, and left out when its return is reached. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/client/history/internal.h"
#include "tests/client/history/memo.h"

#define WORD_BITS 64
#define NONE      UINT32_MAX

/* How an operation was placed, and so what else can be tried instead. */
enum way {
    WAY_ANSWERED, /* then: the answered operations behind it in the list, and so on */
    WAY_POSSIBLE, /* not answered, but done; then: others like it, then leaving them out */
    WAY_LAST,     /* nothing else */
};

struct frame {
    uint32_t op;
    enum way way;
    unsigned over; /* which of the cases that history_open returns */
    struct history_state before;
};

/* Nodes of the list: 0 is its head and end, 2i + 1 the call of operation i, 2i + 2 its return. */
struct search {
    const struct history_group *group;
    uint32_t *next, *previous;
    uint64_t *placed;   /* one bit an operation */
    uint64_t *scratch;  /* a state as words */
    size_t first, last; /* words of `placed`: all before are full, all behind empty */
    size_t words;       /* number of bits in `placed` */
    size_t left;        /* answered operations that are not placed */
    struct history_state state;
    struct frame *frames;
    size_t depth;
    struct history_memo memo;
    size_t deepest;
    uint32_t stuck;
};

static uint32_t call_of(uint32_t op)
{
    return 2 * op + 1;
}

static void unlink_node(struct search *search, uint32_t node)
{
    search->next[search->previous[node]] = search->next[node];
    search->previous[search->next[node]] = search->previous[node];
}

static void relink_node(struct search *search, uint32_t node)
{
    search->next[search->previous[node]] = node;
    search->previous[search->next[node]] = node;
}

static bool has_return(const struct search *search, uint32_t op)
{
    return search->group->ops[op]->returned != HISTORY_NEVER;
}

/* Whether this state with these placed operations is new. */
static bool is_new(struct search *search)
{
    while (search->first < search->words && search->placed[search->first] == UINT64_MAX)
        search->first++;
    while (search->last > search->first && !search->placed[search->last])
        search->last--;
    if (search->last < search->first)
        search->last = search->first;
    uint64_t *to = search->scratch;
    *to++ = search->first;
    for (unsigned i = 0; i < search->group->keys; i++) {
        const struct history_value *value = &search->state.values[i];
        *to++ = (uint64_t)value->value;
        *to++ = (uint64_t)value->low;
        *to++ = (uint64_t)value->high;
    }
    for (size_t i = search->first; i <= search->last; i++)
        *to++ = search->placed[i];
    return history_memo_add(&search->memo, search->scratch, (size_t)(to - search->scratch));
}

static void take_back(struct search *search)
{
    const struct frame *frame = &search->frames[--search->depth];
    uint32_t op = frame->op;
    if (has_return(search, op))
        relink_node(search, call_of(op) + 1);
    relink_node(search, call_of(op));
    search->placed[op / WORD_BITS] &= ~(UINT64_C(1) << op % WORD_BITS);
    if (op / WORD_BITS < search->first)
        search->first = op / WORD_BITS;
    search->left += search->group->ops[op]->answered;
    search->state = frame->before;
}

/* Places the operation with its effect on the state; false if that was seen before. */
static bool place(struct search *search, struct frame frame, const struct history_state *after)
{
    uint32_t op = frame.op;
    frame.before = search->state;
    search->frames[search->depth++] = frame;
    unlink_node(search, call_of(op));
    if (has_return(search, op))
        unlink_node(search, call_of(op) + 1);
    search->placed[op / WORD_BITS] |= UINT64_C(1) << op % WORD_BITS;
    if (op / WORD_BITS > search->last)
        search->last = op / WORD_BITS;
    search->left -= search->group->ops[op]->answered;
    search->state = *after;
    if (search->next[0]) /* a call, as a return stands behind its call */
        history_forget(search->group, search->group->ops[(search->next[0] - 1) / 2],
                       &search->state);
    if (is_new(search))
        return true;
    take_back(search);
    return false;
}

/* The case after this one; 0: that was the last. */
static unsigned next_case(const struct search *search, uint32_t op, unsigned over)
{
    unsigned open = history_open(search->group, search->group->ops[op], &search->state);
    return (over - open) & open;
}

/* The first return of the operations that will be placed behind this one. */
static int64_t done_by(const struct search *search, uint32_t op)
{
    for (uint32_t node = search->next[0]; node; node = search->next[node]) {
        uint32_t other = (node - 1) / 2;
        if (node % 2 == 0 && other != op && search->group->ops[other]->answered)
            return search->group->ops[other]->returned;
    }
    return HISTORY_NEVER;
}

/* Places an operation if its answers fit, in this case or one after it. */
static bool try_op(struct search *search, uint32_t op, enum way way, unsigned over)
{
    const struct history_op *operation = search->group->ops[op];
    if (operation->answered != (way == WAY_ANSWERED))
        return false;
    struct history_case this_case = {.done_by = done_by(search, op)};
    do {
        struct frame frame = {.op = op, .way = way, .over = over};
        struct history_state after = search->state;
        this_case.over = over;
        if (!history_apply(search->group, operation, &this_case, &after))
            continue;
        bool same = !memcmp(&after, &search->state, sizeof after);
        if (way == WAY_POSSIBLE && same)
            continue; /* the same as leaving it out */
        if (same && history_only_read(operation))
            frame.way = WAY_LAST;
        if (place(search, frame, &after))
            return true;
    } while ((over = next_case(search, op, over)) != 0);
    return false;
}

/* Tries everything that may come next, from a node on; false if nothing can. */
static bool place_next(struct search *search, enum way way, uint32_t node)
{
    for (; way != WAY_LAST; way++, node = search->next[0]) {
        for (; node % 2; node = search->next[node]) { /* calls */
            if (try_op(search, (node - 1) / 2, way, 0))
                return true;
        }
        if (way == WAY_ANSWERED)
            continue;
        uint32_t barred = node / 2 - 1; /* a return is reached: an answered operation is left */
        if (!search->group->ops[barred]->answered)
            return place(search, (struct frame){.op = barred, .way = WAY_LAST}, &search->state);
        if (search->depth >= search->deepest) {
            search->deepest = search->depth;
            search->stuck = barred;
        }
    }
    return false;
}

/* Takes the last operation back and places another case of it, or another operation; false if none
 * can be. */
static bool place_other(struct search *search)
{
    struct frame last = search->frames[search->depth - 1];
    take_back(search);
    unsigned over = last.way == WAY_LAST ? 0 : next_case(search, last.op, last.over);
    return (over && try_op(search, last.op, last.way, over)) ||
           place_next(search, last.way, search->next[call_of(last.op)]);
}

static enum history_verdict run(struct search *search, uint64_t states_max)
{
    bool placed = true;
    while (search->left) {
        if (search->memo.count > states_max)
            return HISTORY_UNDECIDED;
        if (!placed && !search->depth)
            return HISTORY_WRONG;
        placed = placed ? place_next(search, WAY_ANSWERED, search->next[0]) : place_other(search);
    }
    return HISTORY_RIGHT;
}

struct event {
    int64_t time;
    uint32_t node;
};

/* Calls come before returns of the same time: then the two operations overlap. */
static int by_time(const void *one, const void *other)
{
    const struct event *a = one, *b = other;
    if (a->time != b->time)
        return a->time < b->time ? -1 : 1;
    bool a_returns = a->node % 2 == 0, b_returns = b->node % 2 == 0;
    if (a_returns != b_returns)
        return a_returns ? 1 : -1;
    return (a->node > b->node) - (a->node < b->node);
}

static void *take(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    if (!memory) {
        fprintf(stderr, "out of memory\n");
        abort();
    }
    return memory;
}

static void make_list(struct search *search)
{
    const struct history_group *group = search->group;
    struct event *events = take(2 * group->count, sizeof *events);
    size_t count = 0;
    for (uint32_t i = 0; i < group->count; i++) {
        events[count++] = (struct event){group->ops[i]->invoked, call_of(i)};
        if (has_return(search, i))
            events[count++] = (struct event){group->ops[i]->returned, call_of(i) + 1};
        search->left += group->ops[i]->answered;
    }
    qsort(events, count, sizeof *events, by_time);
    uint32_t last = 0;
    for (size_t i = 0; i < count; i++) {
        search->next[last] = events[i].node;
        search->previous[events[i].node] = last;
        last = events[i].node;
    }
    search->next[last] = 0;
    search->previous[0] = last;
    free(events);
}

enum history_verdict history_search(const struct history_group *group, uint64_t states_max,
                                    uint64_t *states, const struct history_op **stuck)
{
    size_t nodes = 2 * group->count + 1;
    struct search search = {.group = group, .stuck = NONE};
    search.words = (group->count + WORD_BITS - 1) / WORD_BITS;
    search.next = take(nodes, sizeof *search.next);
    search.previous = take(nodes, sizeof *search.previous);
    search.placed = take(search.words + 1, sizeof *search.placed);
    search.scratch = take(search.words + 3 * HISTORY_GROUP + 2, sizeof *search.scratch);
    search.frames = take(group->count + 1, sizeof *search.frames);
    for (unsigned i = 0; i < HISTORY_GROUP; i++)
        search.state.values[i].value = HISTORY_NIL;
    make_list(&search);
    enum history_verdict verdict = run(&search, states_max);
    *states = search.memo.count;
    *stuck = search.stuck == NONE ? NULL : group->ops[search.stuck];
    history_memo_free(&search.memo);
    free(search.next);
    free(search.previous);
    free(search.placed);
    free(search.scratch);
    free(search.frames);
    return verdict;
}
