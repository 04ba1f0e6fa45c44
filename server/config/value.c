/* SPDX-License-Identifier: MIT */
/* Turns the text of an option into its value and back: yes/no, numbers, memory sizes, octal modes,
 * names of an enum, output buffer limits, percentiles. */
#include "server/config/internal.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "command/event.h"
#include "text/number.h"

bool config_fail(char **cause, const char *format, ...)
{
    if (!cause)
        return false;
    va_list arguments;
    va_start(arguments, format);
    if (vasprintf(cause, format, arguments) < 0)
        *cause = NULL;
    va_end(arguments);
    return false;
}

/* Parses a run of digits of `base` at *text, which moves behind them.  A number too large for the
 * type becomes its maximum, which is in no option's range.  False if there is no digit. */
static bool read_digits(const char **text, unsigned base, uint64_t *value)
{
    const char *start = *text;
    uint64_t sum = 0;
    bool overflow = false;
    for (; **text >= '0' && **text < (char)('0' + base); (*text)++) {
        uint64_t digit = (uint64_t)(**text - '0');
        overflow |= __builtin_mul_overflow(sum, base, &sum);
        overflow |= __builtin_add_overflow(sum, digit, &sum);
    }
    *value = overflow ? UINT64_MAX : sum;
    return *text > start;
}

static bool parse_memory(const char *text, uint64_t *bytes)
{
    static const struct {
        const char *name;
        uint64_t bytes;
    } units[] = {
        {"", 1},           {"b", 1},
        {"k", 1000},       {"kb", UINT64_C(1) << 10},
        {"m", 1000000},    {"mb", UINT64_C(1) << 20},
        {"g", 1000000000}, {"gb", UINT64_C(1) << 30},
    };
    uint64_t count;
    if (!read_digits(&text, 10, &count))
        return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcasecmp(text, units[i].name) != 0)
            continue;
        if (__builtin_mul_overflow(count, units[i].bytes, bytes))
            *bytes = UINT64_MAX;
        return true;
    }
    return false;
}

/* "5%" is -5.  False if the text is no percentage. */
static bool parse_percentage(const char *text, int64_t *value)
{
    uint64_t percent;
    if (!read_digits(&text, 10, &percent) || strcmp(text, "%") != 0 || percent > INT64_MAX)
        return false;
    *value = -(int64_t)percent;
    return true;
}

static bool parse_octal(const char *text, uint64_t *value)
{
    return read_digits(&text, 8, value) && !*text;
}

static bool parse_enum(const struct config_row *row, const char *text, int64_t *value, char **cause)
{
    for (size_t i = 0; row->values[i]; i++) {
        if (!strcasecmp(row->values[i], text)) {
            *value = (int64_t)i;
            return true;
        }
    }
    char *names = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&names, &size);
    if (!out)
        return config_fail(cause, "out of memory");
    for (size_t i = 0; row->values[i]; i++)
        fprintf(out, "%s%s", i ? ", " : "", row->values[i]);
    bool complete = fclose(out) == 0;
    config_fail(cause, "argument(s) must be one of the following: %s", complete ? names : "...");
    free(names);
    return false;
}

static bool parse_events(const char *text, int64_t *value, char **cause)
{
    unsigned flags;
    if (!notify_parse(text, &flags))
        return config_fail(cause, "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.");
    *value = flags;
    return true;
}

/* `fits`: the value fits the type.  One that does not is out of every range. */
static bool in_range(const struct config_row *row, bool fits, int64_t value, char **cause)
{
    if (fits && value >= row->min && value <= row->max)
        return true;
    if (row->type == CONFIG_OCTAL)
        return config_fail(cause, "argument must be between %" PRIo64 " and %" PRIo64 " inclusive",
                           (uint64_t)row->min, (uint64_t)row->max);
    return config_fail(cause, "argument must be between %" PRId64 " and %" PRId64 " inclusive",
                       row->min, row->max);
}

bool config_value_parse(const struct config_row *row, const char *text, int64_t *value,
                        char **cause)
{
    assert(row->type != CONFIG_TEXT);
    uint64_t size;
    switch (row->type) {
    case CONFIG_BOOL:
        *value = !strcasecmp(text, "yes");
        if (!*value && strcasecmp(text, "no") != 0)
            return config_fail(cause, "argument must be 'yes' or 'no'");
        return true;
    case CONFIG_NUMBER:
        if (!number_parse(text, strlen(text), value))
            return config_fail(cause, "argument couldn't be parsed into an integer");
        return in_range(row, true, *value, cause);
    case CONFIG_MEMORY:
        if (row->min < 0 && parse_percentage(text, value))
            return *value >= row->min ||
                   config_fail(cause, "percentage argument must be less or equal to %" PRId64,
                               -row->min);
        if (!parse_memory(text, &size))
            return config_fail(cause, row->min < 0 ? "argument must be a memory or percent value"
                                                   : "argument must be a memory value");
        *value = (int64_t)(size & INT64_MAX);
        return in_range(row, size <= INT64_MAX, *value, cause);
    case CONFIG_OCTAL:
        if (!parse_octal(text, &size))
            return config_fail(cause, "argument couldn't be parsed as an octal number");
        *value = (int64_t)(size & INT64_MAX);
        return in_range(row, size <= INT64_MAX, *value, cause);
    case CONFIG_ENUM:
        return parse_enum(row, text, value, cause);
    case CONFIG_EVENTS:
        return parse_events(text, value, cause);
    case CONFIG_TEXT:
        break;
    }
    return false;
}

char *config_value_format(const struct config_row *row, int64_t value)
{
    assert(row->type != CONFIG_TEXT);
    char *text = NULL;
    char events[NOTIFY_TEXT_BYTES];
    int size = -1;
    switch (row->type) {
    case CONFIG_BOOL:
        return strdup(value ? "yes" : "no");
    case CONFIG_MEMORY:
        if (value < 0) {
            size = asprintf(&text, "%" PRId64 "%%", -value);
            break;
        }
        size = asprintf(&text, "%" PRId64, value);
        break;
    case CONFIG_NUMBER:
        size = asprintf(&text, "%" PRId64, value);
        break;
    case CONFIG_OCTAL:
        size = asprintf(&text, "%" PRIo64, (uint64_t)value);
        break;
    case CONFIG_ENUM:
        return strdup(row->values[value]);
    case CONFIG_EVENTS:
        notify_format((unsigned)value, events);
        return strdup(events);
    case CONFIG_TEXT:
        break;
    }
    return size < 0 ? NULL : text;
}

static const char *const class_names[CONFIG_CLASS_COUNT] = {"normal", "slave", "pubsub"};

/* The class of that name; CONFIG_CLASS_COUNT if there is none. */
static enum config_client_class find_class(const char *name)
{
    if (!strcasecmp(name, "replica"))
        return CONFIG_CLASS_REPLICA;
    enum config_client_class class = 0;
    while (class < CONFIG_CLASS_COUNT && strcasecmp(name, class_names[class]) != 0)
        class ++;
    return class;
}

static bool parse_limit(char *const words[3], struct config_output_limit *limit)
{
    return parse_memory(words[0], &limit->hard_bytes) && limit->hard_bytes != UINT64_MAX &&
           parse_memory(words[1], &limit->soft_bytes) && limit->soft_bytes != UINT64_MAX &&
           number_parse(words[2], strlen(words[2]), &limit->soft_seconds) &&
           limit->soft_seconds >= 0;
}

static size_t count_words(const char *text)
{
    size_t count = 0;
    for (text += strspn(text, " "); *text; text += strspn(text, " ")) {
        text += strcspn(text, " ");
        count++;
    }
    return count;
}

bool config_limits_parse(const char *text, struct config_output_limit limits[CONFIG_CLASS_COUNT],
                         char **cause)
{
    struct config_output_limit merged[CONFIG_CLASS_COUNT];
    memcpy(merged, limits, sizeof merged);

    if (count_words(text) % 4 != 0)
        return config_fail(cause, "Wrong number of arguments in buffer limit configuration.");
    char *copy = strdup(text);
    if (!copy)
        return config_fail(cause, "out of memory");
    const char *wrong = NULL;
    char *rest = NULL;
    char *name = strtok_r(copy, " ", &rest);
    for (; name && !wrong; name = strtok_r(NULL, " ", &rest)) {
        char *words[3];
        for (size_t i = 0; i < 3; i++)
            words[i] = strtok_r(NULL, " ", &rest);
        enum config_client_class class = find_class(name);
        if (class == CONFIG_CLASS_COUNT)
            wrong = "Invalid client class specified in buffer limit configuration.";
        else if (!parse_limit(words, &merged[class]))
            wrong = "Error in hard, soft or soft_seconds setting in buffer limit configuration.";
    }
    free(copy);
    if (wrong)
        return config_fail(cause, "%s", wrong);
    memcpy(limits, merged, sizeof merged);
    return true;
}

char *config_limits_format(const struct config_output_limit limits[CONFIG_CLASS_COUNT])
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    for (enum config_client_class class = 0; class < CONFIG_CLASS_COUNT; class ++)
        fprintf(out, "%s%s %" PRIu64 " %" PRIu64 " %" PRId64, class ? " " : "", class_names[class],
                limits[class].hard_bytes, limits[class].soft_bytes, limits[class].soft_seconds);
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

const char *config_percentiles_check(const char *text)
{
    while (*text) {
        char *end;
        double percent = strtod(text, &end);
        if (end == text || (*end && *end != ' ') || percent != percent)
            return "Invalid latency-tracking-info-percentiles parameters";
        if (percent < 0 || percent > 100)
            return "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]";
        text = end + (*end == ' ');
    }
    return NULL;
}

/* At most six decimals, and no zeros at the end: "99.90" is 99.9. */
static void print_percent(FILE *out, double percent)
{
    char digits[16];
    int size = snprintf(digits, sizeof digits, "%f", percent);
    while (digits[size - 1] == '0')
        size--;
    size -= digits[size - 1] == '.';
    fprintf(out, "%.*s", size, digits);
}

char *config_percentiles_tidy(const char *text)
{
    char *tidy = NULL, *end = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&tidy, &size);
    if (!out)
        return NULL;
    for (const char *separator = ""; *text; separator = " ") {
        fputs(separator, out);
        print_percent(out, strtod(text, &end));
        text = end + (*end == ' ');
    }
    if (fclose(out) != 0) {
        free(tidy);
        return NULL;
    }
    return tidy;
}
