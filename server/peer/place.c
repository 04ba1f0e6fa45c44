/* SPDX-License-Identifier: MIT */
/* Makes, watches and cleans the directory of sockets. */
#include "server/peer/place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define LISTENING          ".sock"
#define UNFINISHED         ".new"
#define BACKLOG            1024
#define UNFINISHED_SECONDS 60 /* after that its server is dead */
#define OPEN_TRIES         100

struct name {
    char text[PEER_RUN_ID_SIZE + sizeof LISTENING];
};

static struct name name_of(const char *run_id, const char *ending)
{
    struct name name;
    snprintf(name.text, sizeof name.text, "%.*s%s", PEER_RUN_ID_SIZE, run_id, ending);
    return name;
}

static bool has_form(const char *name, const char *ending)
{
    return strlen(name) == PEER_RUN_ID_SIZE + strlen(ending) && peer_is_run_id(name) &&
           strcmp(name + PEER_RUN_ID_SIZE, ending) == 0;
}

#define OPEN_FILES                                                                                 \
    "/proc/self/fd" /* a short way to the directory that stays right if the path changes */

static struct sockaddr_un address_of(const struct peer_place *place, const struct name *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, OPEN_FILES "/%d/%s", place->directory,
             name->text);
    return address;
}

/* The directory is open to its owner only. */
static int open_directory(const char *path)
{
    struct stat st;
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return -1;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_uid == geteuid() && (st.st_mode & 07777) != 0700)
        (void)fchmod(fd, 0700);
    return fd;
}

static int watch_directory(int directory)
{
    char path[64];
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (fd < 0)
        return -1;
    snprintf(path, sizeof path, OPEN_FILES "/%d", directory);
    if (inotify_add_watch(fd, path, IN_MOVED_TO) < 0) {
        int code = errno;
        close(fd);
        errno = code;
        return -1;
    }
    return fd;
}

static bool listen_in(struct peer_place *place)
{
    struct name unfinished = name_of(place->run_id, UNFINISHED);
    struct name name = name_of(place->run_id, LISTENING);
    struct sockaddr_un address = address_of(place, &unfinished);
    place->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (place->listener < 0 ||
        bind(place->listener, (struct sockaddr *)&address, sizeof address) != 0)
        return false;
    if (fchmodat(place->directory, unfinished.text, 0600, 0) == 0 &&
        listen(place->listener, BACKLOG) == 0 &&
        renameat(place->directory, unfinished.text, place->directory, name.text) == 0)
        return true;
    int code = errno;
    (void)unlinkat(place->directory, unfinished.text, 0);
    errno = code;
    return false;
}

/* On failure false, *what could not be done, and errno. */
static bool try_open(struct peer_place *place, const char **what)
{
    *what = "use";
    place->directory = open_directory(place->path);
    if (place->directory < 0)
        return false;
    *what = "watch";
    place->watch = watch_directory(place->directory);
    if (place->watch < 0)
        return false;
    *what = "listen in";
    return listen_in(place);
}

static void close_all(struct peer_place *place)
{
    if (place->listener >= 0)
        close(place->listener);
    if (place->watch >= 0)
        close(place->watch);
    if (place->directory >= 0)
        close(place->directory);
    place->directory = place->watch = place->listener = -1;
}

/* Why the place cannot be opened.  Without /proc the directory is there, but not the way to it. */
static char *describe_failure(const char *what, const char *path, int code)
{
    char *cause = NULL;
    int size =
        code == ENOENT && access(OPEN_FILES, F_OK) != 0
            ? asprintf(&cause, "cannot %s the directory %s: %s is missing, is /proc mounted?", what,
                       path, OPEN_FILES)
            : asprintf(&cause, "cannot %s the directory %s: %s", what, path, strerror(code));
    return size < 0 ? NULL : cause;
}

bool peer_place_open(struct peer_place *place, const char *data_path, const char *run_id,
                     char **cause)
{
    const char *what = NULL;
    bool open = false;
    int code = 0;
    *place = (struct peer_place){.directory = -1, .watch = -1, .listener = -1};
    memcpy(place->run_id, run_id, PEER_RUN_ID_SIZE);
    *cause = NULL;
    if (asprintf(&place->path, "%s.peers", data_path) < 0) {
        place->path = NULL;
        return false;
    }
    /* The last one of the other servers may be removing the directory just now. */
    for (int tries = 0; tries < OPEN_TRIES && !open; tries++) {
        open = try_open(place, &what);
        code = errno;
        if (!open)
            close_all(place);
        if (!open && code != ENOENT)
            break;
    }
    if (open)
        return true;
    *cause = describe_failure(what, place->path, code);
    peer_place_close(place);
    return false;
}

void peer_place_close(struct peer_place *place)
{
    if (place->listener >= 0) {
        struct name name = name_of(place->run_id, LISTENING);
        (void)unlinkat(place->directory, name.text, 0);
        (void)rmdir(place->path);
    }
    close_all(place);
    free(place->path);
    place->path = NULL;
}

bool peer_place_is_whole(const struct peer_place *place)
{
    struct stat here, there, own;
    struct name name = name_of(place->run_id, LISTENING);
    if (place->directory < 0)
        return false;
    if (stat(place->path, &there) != 0)
        return errno != ENOENT && errno != ENOTDIR;
    if (fstat(place->directory, &here) != 0)
        return true;
    if (here.st_dev != there.st_dev || here.st_ino != there.st_ino)
        return false;
    if (fstatat(place->directory, name.text, &own, AT_SYMLINK_NOFOLLOW) != 0)
        return errno != ENOENT;
    return S_ISSOCK(own.st_mode);
}

static void found(const struct peer_place *place, const char *name, peer_place_found_fn *fn,
                  void *arg)
{
    char run_id[PEER_RUN_ID_SIZE + 1] = {0};
    if (!has_form(name, LISTENING) || memcmp(name, place->run_id, PEER_RUN_ID_SIZE) == 0)
        return;
    memcpy(run_id, name, PEER_RUN_ID_SIZE);
    fn(run_id, arg);
}

static void remove_if_left(const struct peer_place *place, const char *name)
{
    struct stat st;
    if (has_form(name, UNFINISHED) &&
        fstatat(place->directory, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        time(NULL) - st.st_ctime > UNFINISHED_SECONDS)
        (void)unlinkat(place->directory, name, 0);
}

void peer_place_scan(const struct peer_place *place, peer_place_found_fn *fn, void *arg)
{
    int fd = openat(place->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
    if (!directory) {
        if (fd >= 0)
            close(fd);
        return;
    }
    const struct dirent *entry;
    while ((entry = readdir(directory)) != NULL) {
        remove_if_left(place, entry->d_name);
        found(place, entry->d_name, fn, arg);
    }
    closedir(directory);
}

void peer_place_news(const struct peer_place *place, peer_place_found_fn *fn, void *arg)
{
    _Alignas(struct inotify_event) char events[4096];
    if (place->watch < 0)
        return;
    for (;;) {
        ssize_t n = read(place->watch, events, sizeof events);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        for (size_t at = 0; at < (size_t)n;) {
            const struct inotify_event *event = (const void *)(events + at);
            if (event->mask & IN_Q_OVERFLOW)
                peer_place_scan(place, fn, arg);
            else if (event->len > 0)
                found(place, event->name, fn, arg);
            at += sizeof *event + event->len;
        }
    }
}

int peer_place_connect(const struct peer_place *place, const char *run_id)
{
    struct name name = name_of(run_id, LISTENING);
    struct sockaddr_un address = address_of(place, &name);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    int code = errno;
    close(fd);
    errno = code;
    return -1;
}

void peer_place_remove(const struct peer_place *place, const char *run_id)
{
    struct name name = name_of(run_id, LISTENING);
    (void)unlinkat(place->directory, name.text, 0);
}
