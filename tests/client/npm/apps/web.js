// SPDX-License-Identifier: MIT
// A web application on a loopback port, and a browser that keeps its cookie.
import http from 'node:http';

// serve(app): { url, close }.
export function serve(app) {
    const server = http.createServer(app);
    return new Promise((resolve) => {
        server.listen(0, '127.0.0.1', () => resolve({
            url: `http://127.0.0.1:${server.address().port}`,
            close: () => new Promise((done) => {
                server.close(done);
                server.closeAllConnections();
            }),
        }));
    });
}

export class Browser {
    cookie = '';

    // get(site, path): { status, body, headers }.
    async get(site, path) {
        const reply = await fetch(site.url + path, { headers: this.cookie ? { cookie: this.cookie } : {} });
        const set = reply.headers.get('set-cookie');
        if (set)
            this.cookie = set.split(';')[0];
        return { status: reply.status, body: await reply.text(), headers: reply.headers };
    }
}
