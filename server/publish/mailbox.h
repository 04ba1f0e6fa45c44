/* SPDX-License-Identifier: MIT */
/* The mailbox of a worker: what other threads have for the connections of the worker.
 *
 * No thread but the worker touches a connection.  Every other thread posts here, and the worker,
 * woken through its loop, takes everything at once.  What is posted is linked through a field of
 * its own, so that posting takes no memory and cannot fail.  Mail of one kind keeps its order. */
#ifndef SERVER_PUBLISH_MAILBOX_H
#define SERVER_PUBLISH_MAILBOX_H

#include <stdbool.h>

struct delivery;
struct loop;
struct mailbox;

/* A connected socket for the worker to serve. */
struct arrival {
    struct arrival *next;
    int fd;
    bool is_unix;
};

/* An update that is over; part of the connection that waits for it. */
struct finished_update {
    struct finished_update *next;
};

/* What a worker takes out of its mailbox. */
struct mail {
    struct arrival *arrivals;
    struct finished_update *finished;
    struct delivery *deliveries;
    bool recheck_clients; /* some were killed, or CLIENT PAUSE has ended */
    bool stop;            /* the server ends */
};

/* A mailbox whose owner runs the loop and takes the mail when it is woken.  NULL if memory is
 * short. */
struct mailbox *mailbox_new(struct loop *loop);

/* Nobody posts any more, and the last mail was taken.  Takes NULL. */
void mailbox_free(struct mailbox *mailbox);

/* These pass a thing to the worker.  It must not be touched afterwards.  Any thread. */
void mailbox_post_arrival(struct mailbox *mailbox, struct arrival *arrival);
void mailbox_post_finished(struct mailbox *mailbox, struct finished_update *update);
void mailbox_post_delivery(struct mailbox *mailbox, struct delivery *delivery);

/* These ask the worker for something.  Asking twice is asking once.  Any thread. */
void mailbox_ask_recheck(struct mailbox *mailbox);
void mailbox_ask_stop(struct mailbox *mailbox);

/* Takes all mail.  The lists are the caller's, the oldest first.  The worker's thread; or any
 * thread when the worker has ended. */
void mailbox_take(struct mailbox *mailbox, struct mail *mail);

#endif
