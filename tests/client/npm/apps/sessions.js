// SPDX-License-Identifier: MIT
// An application with logins: express and express-session, sessions in connect-redis.
import { RedisStore } from 'connect-redis';
import express from 'express';
import expressSession from 'express-session';

import { appClient } from './client.js';
import { serve } from './web.js';

// What the user's session counts survives the application and its server: both only pass by.
function application(store) {
    const app = express();
    app.use(expressSession({
        store, secret: 'of these tests', resave: false, saveUninitialized: false, cookie: { maxAge: 1_000_000 },
    }));
    app.get('/login/:name', (request, response, next) => {
        request.session.regenerate((error) => {
            if (error)
                return next(error);
            request.session.user = request.params.name;
            request.session.visits = 0;
            response.send('welcome');
        });
    });
    app.get('/visit', (request, response) => {
        if (!request.session.user)
            return response.status(401).send('who are you?');
        request.session.visits++;
        response.send(`${request.session.user} ${request.session.visits}`);
    });
    app.get('/look', (request, response) => response.send(request.session.user ?? 'nobody'));
    app.get('/logout', (request, response, next) => {
        request.session.destroy((error) => (error ? next(error) : response.send('bye')));
    });
    return app;
}

export async function sessionApp(server) {
    const client = await appClient(server);
    const store = new RedisStore({ client, prefix: 'sess:' });
    const site = await serve(application(store));
    return {
        client, store, url: site.url,
        async close() {
            await site.close();
            client.destroy();
        },
    };
}
