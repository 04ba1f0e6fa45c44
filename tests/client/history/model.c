/* SPDX-License-Identifier: MIT */
/* The effect of each command on the keys, as far as a history can tell. */
#include "tests/client/history/internal.h"

#define VALUE_LIMIT (INT64_MAX / 10 - 9)
#define MS          1000000

static const struct history_value nothing = {.value = HISTORY_NIL};

/* Bounds of the servers' clock, in ms, at the moment of the look. */
struct moment {
    int64_t from, until;
};

/* An operation under way. */
struct doing {
    const struct history_group *group;
    const struct history_op *op;
    struct history_state *state;
    struct moment moment, moments[HISTORY_GROUP]; /* of all; for each key */
    unsigned written;                             /* keys, by place */
};

static int64_t clock_ms(int64_t time_ns, int64_t ahead_ns)
{
    return time_ns == HISTORY_NEVER ? HISTORY_NEVER : (time_ns + ahead_ns) / MS;
}

static struct moment moment_of(const struct history_group *group, const struct history_op *op)
{
    return (struct moment){.from = clock_ms(op->invoked, group->clock_low),
                           .until = clock_ms(op->returned, group->clock_high)};
}

static bool has_end(const struct history_value *value)
{
    return value->value != HISTORY_NIL && value->low != HISTORY_NEVER;
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t later(int64_t ms, int64_t by)
{
    return ms >= HISTORY_NEVER - by ? HISTORY_NEVER : ms + by;
}

/* ---- Steps --------------------------------------------------------------------------------- */

static struct history_value *value_of(const struct doing *doing, unsigned key)
{
    return &doing->state->values[doing->group->places[key]];
}

static struct history_value *write_to(struct doing *doing, unsigned key)
{
    doing->written |= 1u << doing->group->places[key];
    return value_of(doing, key);
}

static void put(struct doing *doing, unsigned key, int64_t value)
{
    *write_to(doing, key) =
        (struct history_value){.value = value, .low = HISTORY_NEVER, .high = HISTORY_NEVER};
}

/* With the time to live that the key has. */
static void change(struct doing *doing, unsigned key, int64_t value)
{
    if (value_of(doing, key)->value == HISTORY_NIL)
        put(doing, key, value);
    else
        write_to(doing, key)->value = value;
}

static void set_end(struct doing *doing, const struct history_step *step)
{
    struct history_value *value = write_to(doing, step->key);
    const struct moment *moment = &doing->moments[doing->group->places[step->key]];
    value->low = moment->from + step->ttl;
    value->high = later(moment->until, step->ttl);
}

static int64_t digits(int64_t value)
{
    int64_t count = 1;
    for (; value >= 10; value /= 10)
        count++;
    return count;
}

static int64_t append(struct doing *doing, const struct history_step *step)
{
    int64_t before = value_of(doing, step->key)->value;
    if (before == HISTORY_NIL)
        change(doing, step->key, step->argument);
    else if (before < VALUE_LIMIT) /* beyond, Redis continues with text; our histories stay below */
        change(doing, step->key, before * 10 + step->argument);
    return digits(value_of(doing, step->key)->value);
}

/* An answer is right if a moment that is still possible explains it; the other moments are then
 * ruled out. */
static int64_t time_left(const struct doing *doing, const struct history_step *step)
{
    struct history_value *value = value_of(doing, step->key);
    if (value->value == HISTORY_NIL)
        return -2;
    if (!has_end(value))
        return -1;
    if (!doing->op->answered || step->result <= 0)
        return ~step->result; /* any other */
    const struct moment *moment = &doing->moments[doing->group->places[step->key]];
    value->low = larger(value->low, moment->from + step->result);
    value->high = smaller(value->high, later(moment->until, step->result));
    return value->low <= value->high ? step->result : ~step->result;
}

/* This answer reveals a value that nobody knew. */
static void learn(const struct doing *doing, const struct history_step *step)
{
    struct history_value *value = value_of(doing, step->key);
    bool tells =
        step->kind == HISTORY_GET || step->kind == HISTORY_GETSET || step->kind == HISTORY_GETDEL;
    if (value->value == HISTORY_ANY && tells && doing->op->answered && step->result != HISTORY_NIL)
        value->value = step->result;
}

/* Changes the state and returns the result. */
static int64_t run_step(struct doing *doing, const struct history_step *step)
{
    learn(doing, step);
    const struct history_value before = *value_of(doing, step->key);
    bool there = before.value != HISTORY_NIL;
    switch (step->kind) {
    case HISTORY_GET:
        return before.value;
    case HISTORY_SETNX:
        if (!there)
            put(doing, step->key, step->argument);
        return !there;
    case HISTORY_SET:
    case HISTORY_GETSET:
        put(doing, step->key, step->argument);
        return step->kind == HISTORY_SET ? 1 : before.value;
    case HISTORY_SETPX:
        put(doing, step->key, step->argument);
        set_end(doing, step);
        return 1;
    case HISTORY_DEL:
    case HISTORY_GETDEL:
        if (there)
            *write_to(doing, step->key) = nothing;
        return step->kind == HISTORY_DEL ? there : before.value;
    case HISTORY_INCR:
        change(doing, step->key, there ? before.value + 1 : 1);
        return there ? before.value + 1 : 1;
    case HISTORY_APPEND:
        return append(doing, step);
    case HISTORY_EXPIRE:
        if (there)
            set_end(doing, step);
        return there;
    case HISTORY_PERSIST:
        if (has_end(&before))
            put(doing, step->key, before.value);
        return has_end(&before);
    case HISTORY_PTTL:
        return time_left(doing, step);
    case HISTORY_SWAP:
        if (before.value == step->expected)
            put(doing, step->key, step->argument);
        return before.value == step->expected;
    case HISTORY_BRING:
        if (!there)
            put(doing, step->key, HISTORY_ANY);
        return !there;
    }
    return 0;
}

/* ---- Operations ---------------------------------------------------------------------------- */

/* The keys, by place, for which it matters whether there is a value. */
static unsigned looked_at(const struct history_group *group, const struct history_op *op)
{
    unsigned seen = 0, looked = 0;
    for (unsigned i = 0; i < op->steps_count; i++) {
        const struct history_step *step = &op->steps[i];
        unsigned bit = 1u << group->places[step->key];
        bool blind = step->kind == HISTORY_SET || step->kind == HISTORY_SETPX;
        if (!blind)
            looked |= bit & ~seen;
        seen |= bit;
    }
    return looked;
}

unsigned history_open(const struct history_group *group, const struct history_op *op,
                      const struct history_state *state)
{
    unsigned looked = looked_at(group, op), open = 0;
    for (unsigned place = 0; place < group->keys; place++) {
        if (looked >> place & 1 && has_end(&state->values[place]))
            open |= 1u << place;
    }
    return open;
}

/* Notes for a key, and for the moment, whether its time was over; false if that is impossible. */
static bool meet(struct history_value *value, struct moment *moment, bool over)
{
    if (over) {
        value->high = smaller(value->high, moment->until);
        moment->from = larger(moment->from, value->low);
    } else {
        value->low = larger(value->low, moment->from + 1);
        moment->until = smaller(moment->until, value->high - 1);
    }
    return value->low <= value->high && moment->from <= moment->until;
}

static bool run_steps(struct doing *doing)
{
    for (unsigned i = 0; i < doing->op->steps_count; i++) {
        const struct history_step *step = &doing->op->steps[i];
        int64_t result = run_step(doing, step);
        if (doing->op->answered && result != step->result)
            return false;
    }
    return true;
}

bool history_apply(const struct history_group *group, const struct history_op *op,
                   const struct history_case *this_case, struct history_state *state)
{
    struct doing doing = {.group = group, .op = op, .state = state, .moment = moment_of(group, op)};
    doing.moment.until =
        smaller(doing.moment.until, clock_ms(this_case->done_by, group->clock_high));
    unsigned ending = history_open(group, op, state);
    struct history_state before = *state;
    for (unsigned place = 0; place < group->keys; place++) {
        doing.moments[place] = doing.moment;
        if (!(ending >> place & 1))
            continue;
        bool over = this_case->over >> place & 1;
        if (!meet(&state->values[place], &doing.moments[place], over))
            return false;
        if (op->answered)
            before.values[place] = state->values[place];
        if (over)
            state->values[place] = nothing;
    }
    if (!run_steps(&doing))
        return false;
    /* A command that finds a key's time over does not remove it: another may still find it a moment
     * earlier. */
    for (unsigned place = 0; place < group->keys; place++) {
        bool over = this_case->over >> place & 1;
        if (!(doing.written >> place & 1) && (over || !op->answered))
            state->values[place] = before.values[place];
    }
    return true;
}

void history_forget(const struct history_group *group, const struct history_op *op,
                    struct history_state *state)
{
    int64_t from = moment_of(group, op).from;
    for (unsigned place = 0; place < group->keys; place++) {
        struct history_value *value = &state->values[place];
        if (!has_end(value))
            continue;
        if (value->high <= from)
            *value = nothing;
        else
            value->low = larger(value->low, from);
    }
}

static bool step_only_reads(const struct history_step *step)
{
    switch (step->kind) {
    case HISTORY_GET:
    case HISTORY_PTTL:
        return true;
    case HISTORY_SETNX:
    case HISTORY_DEL:
    case HISTORY_SWAP:
    case HISTORY_EXPIRE:
    case HISTORY_PERSIST:
    case HISTORY_BRING:
        return step->result == 0;
    case HISTORY_GETDEL:
        return step->result == HISTORY_NIL;
    case HISTORY_GETSET:
    case HISTORY_SET:
    case HISTORY_SETPX:
    case HISTORY_INCR:
    case HISTORY_APPEND:
        break;
    }
    return false;
}

bool history_only_read(const struct history_op *op)
{
    for (unsigned i = 0; i < op->steps_count; i++) {
        if (!step_only_reads(&op->steps[i]))
            return false;
    }
    return op->answered;
}
