/* SPDX-License-Identifier: MIT */
/* Three lists and two requests under one lock. */
#include "server/publish/mailbox.h"

#include <pthread.h>
#include <stdlib.h>

#include "server/loop/loop.h"
#include "server/publish/subscriber.h"

struct mailbox {
    struct loop *loop;
    pthread_mutex_t mutex;
    /* Guard: mutex.  Each `end` is the place of the next link. */
    struct mail mail;
    struct arrival **arrivals_end;
    struct finished_update **finished_end;
    struct delivery **deliveries_end;
};

static void empty_locked(struct mailbox *mailbox)
{
    mailbox->mail = (struct mail){0};
    mailbox->arrivals_end = &mailbox->mail.arrivals;
    mailbox->finished_end = &mailbox->mail.finished;
    mailbox->deliveries_end = &mailbox->mail.deliveries;
}

struct mailbox *mailbox_new(struct loop *loop)
{
    struct mailbox *mailbox = malloc(sizeof *mailbox);
    if (!mailbox)
        return NULL;
    mailbox->loop = loop;
    pthread_mutex_init(&mailbox->mutex, NULL);
    empty_locked(mailbox);
    return mailbox;
}

void mailbox_free(struct mailbox *mailbox)
{
    if (!mailbox)
        return;
    pthread_mutex_destroy(&mailbox->mutex);
    free(mailbox);
}

void mailbox_post_arrival(struct mailbox *mailbox, struct arrival *arrival)
{
    arrival->next = NULL;
    pthread_mutex_lock(&mailbox->mutex);
    *mailbox->arrivals_end = arrival;
    mailbox->arrivals_end = &arrival->next;
    pthread_mutex_unlock(&mailbox->mutex);
    loop_wake(mailbox->loop);
}

void mailbox_post_finished(struct mailbox *mailbox, struct finished_update *update)
{
    update->next = NULL;
    pthread_mutex_lock(&mailbox->mutex);
    *mailbox->finished_end = update;
    mailbox->finished_end = &update->next;
    pthread_mutex_unlock(&mailbox->mutex);
    loop_wake(mailbox->loop);
}

void mailbox_post_delivery(struct mailbox *mailbox, struct delivery *delivery)
{
    delivery->next = NULL;
    pthread_mutex_lock(&mailbox->mutex);
    *mailbox->deliveries_end = delivery;
    mailbox->deliveries_end = &delivery->next;
    pthread_mutex_unlock(&mailbox->mutex);
    loop_wake(mailbox->loop);
}

void mailbox_ask_recheck(struct mailbox *mailbox)
{
    pthread_mutex_lock(&mailbox->mutex);
    mailbox->mail.recheck_clients = true;
    pthread_mutex_unlock(&mailbox->mutex);
    loop_wake(mailbox->loop);
}

void mailbox_ask_stop(struct mailbox *mailbox)
{
    pthread_mutex_lock(&mailbox->mutex);
    mailbox->mail.stop = true;
    pthread_mutex_unlock(&mailbox->mutex);
    loop_wake(mailbox->loop);
}

void mailbox_take(struct mailbox *mailbox, struct mail *mail)
{
    pthread_mutex_lock(&mailbox->mutex);
    *mail = mailbox->mail;
    empty_locked(mailbox);
    pthread_mutex_unlock(&mailbox->mutex);
}
