/* echo-upstream: a minimal MCP server for load tests, over HTTP or stdio.
 *
 *   ./echo-upstream --port 4801 [--tools N]   HTTP, one epoll thread, 127.0.0.1 only
 *   ./echo-upstream --stdio [--tools N]       newline-delimited JSON on stdin and stdout
 *
 * It answers revision 2025-11-25 (initialize, sessions) and revision
 * 2026-07-28 (stateless, _meta envelope) with as little work as it can: one
 * pass of a JSON scanner, no allocation per request once its buffers are warm.
 * It checks nothing: it stands for "an upstream that costs almost nothing".
 *
 * Tools: echo {text} -> text ; blob {size,text} -> text padded with 'x' to size bytes.
 * --tools N adds N tools with descriptions of an ordinary length.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct { const char *p; size_t n; } span;
typedef struct { char *p; size_t n, cap; } buf;

static int opt_tools = 0;
static unsigned long session_counter;
static char *tools_json; static size_t tools_json_n;

static void reserve(buf *b, size_t extra) {
  if (b->n + extra <= b->cap) return;
  size_t c = b->cap ? b->cap : 4096;
  while (c < b->n + extra) c *= 2;
  b->p = realloc(b->p, c);
  if (!b->p) { perror("realloc"); exit(1); }
  b->cap = c;
}
static void put(buf *b, const char *p, size_t n) { reserve(b, n); memcpy(b->p + b->n, p, n); b->n += n; }
static void puts_(buf *b, const char *s) { put(b, s, strlen(s)); }
static void putspan(buf *b, span s) { put(b, s.p, s.n); }

/* ---- a JSON scanner that skips values ---- */
static const char *ws(const char *p, const char *e) { while (p < e && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) p++; return p; }
static const char *skip_str(const char *p, const char *e) { /* p at opening quote */
  for (p++; p < e; ) {
    const char *q = memchr(p, '"', (size_t)(e - p));
    if (!q) return e;
    const char *b = q; size_t k = 0;
    while (b > p && b[-1] == '\\') { b--; k++; }
    p = q + 1;
    if (!(k & 1)) return p;
  }
  return e;
}
static const char *skip_val(const char *p, const char *e) {
  p = ws(p, e);
  if (p >= e) return e;
  if (*p == '"') return skip_str(p, e);
  if (*p == '{' || *p == '[') {
    int d = 0;
    while (p < e) {
      char c = *p;
      if (c == '"') { p = skip_str(p, e); continue; }
      if (c == '{' || c == '[') d++;
      else if (c == '}' || c == ']') { if (--d == 0) return p + 1; }
      p++;
    }
    return e;
  }
  while (p < e && *p != ',' && *p != '}' && *p != ']' && !isspace((unsigned char)*p)) p++;
  return p;
}
/* Fills out[i] with the raw text of the member named keys[i]. */
static void members(span obj, const char *const *keys, span *out, int nk) {
  const char *p = obj.p, *e = obj.p + obj.n;
  for (int i = 0; i < nk; i++) out[i] = (span){0, 0};
  p = ws(p, e);
  if (p >= e || *p != '{') return;
  p = ws(p + 1, e);
  while (p < e && *p == '"') {
    const char *ks = p + 1; p = skip_str(p, e); size_t kn = (size_t)(p - 1 - ks);
    p = ws(p, e); if (p < e && *p == ':') p++;
    p = ws(p, e);
    const char *vs = p; p = skip_val(p, e);
    for (int i = 0; i < nk; i++)
      if (strlen(keys[i]) == kn && !memcmp(keys[i], ks, kn)) { out[i] = (span){vs, (size_t)(p - vs)}; break; }
    p = ws(p, e);
    if (p < e && *p == ',') p = ws(p + 1, e);
  }
}
static int is(span s, const char *lit) { size_t n = strlen(lit); return s.n == n + 2 && !memcmp(s.p + 1, lit, n); }
static int starts(span s, const char *lit) { size_t n = strlen(lit); return s.n >= n + 2 && !memcmp(s.p + 1, lit, n); }

#define SERVER_META "\"_meta\":{\"io.modelcontextprotocol/serverInfo\":{\"name\":\"echo\",\"version\":\"1.0.0\"}}"

/* Writes the JSON-RPC answer for one message. Returns 0 for a notification or response
   (nothing to answer), 1 for an ordinary request, 2 for initialize. */
static int answer(span body, int modern, buf *o) {
  static const char *const top[] = {"id", "method", "params"};
  span t[3]; members(body, top, t, 3);
  if (!t[0].p || !t[1].p) return 0;
  if (modern < 0) modern = t[2].p && memmem(t[2].p, t[2].n, "io.modelcontextprotocol/protocolVersion", 39) != NULL;
  puts_(o, "{\"jsonrpc\":\"2.0\",\"id\":"); putspan(o, t[0]);
  if (is(t[1], "tools/call")) {
    static const char *const pk[] = {"name", "arguments"};
    span p[2]; members(t[2], pk, p, 2);
    static const char *const ak[] = {"text", "size"};
    span a[2]; members(p[1], ak, a, 2);
    size_t size = a[1].p ? strtoul(a[1].p, 0, 10) : 0;
    if (!p[0].p || (!is(p[0], "echo") && !is(p[0], "blob"))) { puts_(o, ",\"error\":{\"code\":-32602,\"message\":\"unknown tool\"}}"); return 1; }
    puts_(o, ",\"result\":{");
    if (modern > 0) puts_(o, "\"resultType\":\"complete\"," SERVER_META ",");
    puts_(o, "\"content\":[{\"type\":\"text\",\"text\":\"");
    size_t inner = 0;
    if (a[0].n >= 2 && a[0].p[0] == '"') { inner = a[0].n - 2; put(o, a[0].p + 1, inner); }
    if (size > inner) { reserve(o, size - inner); memset(o->p + o->n, 'x', size - inner); o->n += size - inner; }
    puts_(o, "\"}]}}");
    return 1;
  }
  if (is(t[1], "initialize")) {
    static const char *const pk[] = {"protocolVersion"};
    span p[1]; members(t[2], pk, p, 1);
    puts_(o, ",\"result\":{\"protocolVersion\":");
    if (p[0].p) putspan(o, p[0]); else puts_(o, "\"2025-11-25\"");
    puts_(o, ",\"capabilities\":{\"tools\":{\"listChanged\":true}},\"serverInfo\":{\"name\":\"echo\",\"version\":\"1.0.0\"}}}");
    return 2;
  }
  if (is(t[1], "server/discover")) {
    puts_(o, ",\"result\":{\"supportedVersions\":[\"2026-07-28\"],\"capabilities\":{\"tools\":{\"listChanged\":true}},"
             "\"resultType\":\"complete\",\"ttlMs\":3600000,\"cacheScope\":\"public\"," SERVER_META "}}");
    return 1;
  }
  if (is(t[1], "tools/list")) {
    puts_(o, ",\"result\":{");
    if (modern > 0) puts_(o, "\"resultType\":\"complete\",\"ttlMs\":3600000,\"cacheScope\":\"public\"," SERVER_META ",");
    puts_(o, "\"tools\":"); put(o, tools_json, tools_json_n); puts_(o, "}}");
    return 1;
  }
  if (is(t[1], "ping") || starts(t[1], "logging/")) { puts_(o, ",\"result\":{}}"); return 1; }
  if (is(t[1], "resources/list")) { puts_(o, ",\"result\":{\"resources\":[]}}"); return 1; }
  if (is(t[1], "resources/templates/list")) { puts_(o, ",\"result\":{\"resourceTemplates\":[]}}"); return 1; }
  if (is(t[1], "prompts/list")) { puts_(o, ",\"result\":{\"prompts\":[]}}"); return 1; }
  puts_(o, ",\"error\":{\"code\":-32601,\"message\":\"Method not found\"}}");
  return 1;
}

static void build_tools(void) {
  buf b = {0};
  puts_(&b, "[{\"name\":\"echo\",\"description\":\"Returns the text\",\"inputSchema\":{\"type\":\"object\",\"properties\":{\"text\":{\"type\":\"string\"}},\"required\":[\"text\"]}},"
            "{\"name\":\"blob\",\"description\":\"Returns size bytes\",\"inputSchema\":{\"type\":\"object\",\"properties\":{\"text\":{\"type\":\"string\"},\"size\":{\"type\":\"integer\"}},\"required\":[\"size\"]}}");
  for (int i = 0; i < opt_tools; i++) {
    char t[400];
    snprintf(t, sizeof t, ",{\"name\":\"tool_%d\",\"description\":\"Filler tool number %d, with a description of an ordinary length for a tool of an ordinary server.\",\"inputSchema\":{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\",\"description\":\"first\"},\"b\":{\"type\":\"number\"}},\"required\":[\"a\"]}}", i, i);
    puts_(&b, t);
  }
  puts_(&b, "]");
  tools_json = b.p; tools_json_n = b.n;
}

/* ---- HTTP ---- */
typedef struct { int fd, want_out, closing; buf in, out; size_t off; } conn;
static buf scratch, body_buf;

static span header(span h, const char *name) {
  size_t nn = strlen(name); const char *p = h.p, *e = h.p + h.n;
  while (p < e) {
    const char *nl = memchr(p, '\n', (size_t)(e - p)); if (!nl) nl = e;
    if ((size_t)(nl - p) > nn && p[nn] == ':' && !strncasecmp(p, name, nn)) {
      const char *v = p + nn + 1, *ve = nl;
      while (v < ve && (*v == ' ' || *v == '\t')) v++;
      while (ve > v && (ve[-1] == '\r' || ve[-1] == ' ')) ve--;
      return (span){v, (size_t)(ve - v)};
    }
    p = nl + 1;
  }
  return (span){0, 0};
}

/* Handles as many whole requests as are buffered. */
static void pump(conn *c) {
  size_t pos = 0;
  for (;;) {
    const char *base = c->in.p + pos; size_t left = c->in.n - pos;
    const char *he = left ? memmem(base, left, "\r\n\r\n", 4) : NULL;
    if (!he) break;
    const char *l1 = memchr(base, '\n', left);
    span h = {l1 + 1, (size_t)(he + 2 - (l1 + 1))};
    const char *bs = he + 4, *be; const char *end = base + left;
    span cl = header(h, "content-length"), te = header(h, "transfer-encoding"), cn = header(h, "connection");
    span body;
    if (te.n >= 7 && memmem(te.p, te.n, "chunked", 7)) {
      const char *p = bs; int done = 0; body_buf.n = 0;
      for (;;) {
        const char *nl = p < end ? memmem(p, (size_t)(end - p), "\r\n", 2) : NULL;
        if (!nl) break;
        size_t n = strtoul(p, 0, 16);
        if (n == 0) { const char *z = memmem(nl, (size_t)(end - nl), "\r\n\r\n", 4); if (z) { done = 1; p = z + 4; } break; }
        if ((size_t)(end - nl - 2) < n + 2) break;
        put(&body_buf, nl + 2, n); p = nl + 2 + n + 2;
      }
      if (!done) break;
      body = (span){body_buf.p, body_buf.n}; be = p;
    } else {
      size_t n = cl.p ? strtoul(cl.p, 0, 10) : 0;
      if ((size_t)(end - bs) < n) {
        span ex = header(h, "expect");
        if (ex.p && left == (size_t)(bs - base)) puts_(&c->out, "HTTP/1.1 100 Continue\r\n\r\n");
        break;
      }
      body = (span){bs, n}; be = bs + n;
    }
    if (cn.n == 5 && !strncasecmp(cn.p, "close", 5)) c->closing = 1;
    char hd[256];
    if (!strncmp(base, "POST ", 5)) {
      span v = header(h, "mcp-protocol-version");
      int modern = v.n == 10 && !memcmp(v.p, "2026-07-28", 10);
      scratch.n = 0;
      int k = answer(body, modern, &scratch);
      if (k == 0) puts_(&c->out, "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n");
      else {
        int w = snprintf(hd, sizeof hd, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n");
        put(&c->out, hd, (size_t)w);
        if (k == 2) { w = snprintf(hd, sizeof hd, "Mcp-Session-Id: s%016lx%08x\r\n", ++session_counter, (unsigned)getpid()); put(&c->out, hd, (size_t)w); }
        w = snprintf(hd, sizeof hd, "Content-Length: %zu\r\n\r\n", scratch.n);
        put(&c->out, hd, (size_t)w);
        put(&c->out, scratch.p, scratch.n);
      }
    } else if (!strncmp(base, "GET /health", 11)) puts_(&c->out, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    else if (!strncmp(base, "DELETE ", 7)) puts_(&c->out, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    else puts_(&c->out, "HTTP/1.1 405 Method Not Allowed\r\nAllow: POST, DELETE\r\nContent-Length: 0\r\n\r\n");
    pos = (size_t)(be - c->in.p);
  }
  if (pos) { memmove(c->in.p, c->in.p + pos, c->in.n - pos); c->in.n -= pos; }
}

static int flush_out(int ep, conn *c) {
  while (c->off < c->out.n) {
    ssize_t w = write(c->fd, c->out.p + c->off, c->out.n - c->off);
    if (w < 0) { if (errno == EAGAIN) break; if (errno == EINTR) continue; return -1; }
    c->off += (size_t)w;
  }
  int pending = c->off < c->out.n;
  if (!pending) { c->out.n = c->off = 0; if (c->closing) return -1; }
  if (pending != c->want_out) {
    struct epoll_event ev = {.events = EPOLLIN | (pending ? EPOLLOUT : 0), .data.ptr = c};
    epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &ev); c->want_out = pending;
  }
  return 0;
}

static void http_main(int port) {
  int ls = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
  setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (bind(ls, (void *)&a, sizeof a) || listen(ls, 4096)) { perror("listen"); exit(1); }
  int ep = epoll_create1(0);
  struct epoll_event ev = {.events = EPOLLIN, .data.ptr = NULL}, evs[256];
  epoll_ctl(ep, EPOLL_CTL_ADD, ls, &ev);
  fprintf(stderr, "echo-upstream listening on 127.0.0.1:%d\n", port);
  for (;;) {
    int n = epoll_wait(ep, evs, 256, -1);
    for (int i = 0; i < n; i++) {
      conn *c = evs[i].data.ptr;
      if (!c) {
        int fd;
        while ((fd = accept4(ls, 0, 0, SOCK_NONBLOCK)) >= 0) {
          setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
          c = calloc(1, sizeof *c); c->fd = fd;
          ev = (struct epoll_event){.events = EPOLLIN, .data.ptr = c};
          epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
        }
        continue;
      }
      int dead = 0;
      if (evs[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) for (;;) {
        reserve(&c->in, 65536);
        size_t room = c->in.cap - c->in.n;
        ssize_t r = read(c->fd, c->in.p + c->in.n, room);
        if (r > 0) { c->in.n += (size_t)r; if ((size_t)r < room) break; continue; }
        if (r == 0) dead = 1;
        else if (errno == EINTR) continue;
        else if (errno != EAGAIN) dead = 1;
        break;
      }
      if (!dead) { pump(c); dead = flush_out(ep, c) < 0; }
      if (dead) { close(c->fd); free(c->in.p); free(c->out.p); free(c); }
    }
  }
}

/* ---- stdio ---- */
static void stdio_main(void) {
  buf in = {0}, out = {0};
  for (;;) {
    reserve(&in, 1 << 16);
    ssize_t r = read(0, in.p + in.n, in.cap - in.n);
    if (r <= 0) { if (r < 0 && errno == EINTR) continue; return; }
    size_t scanned = in.n; in.n += (size_t)r;
    size_t pos = 0;
    for (;;) {
      size_t from = scanned > pos ? scanned : pos;
      char *nl = memchr(in.p + from, '\n', in.n - from);
      if (!nl) break;
      span line = {in.p + pos, (size_t)(nl - (in.p + pos))};
      if (line.n > 1 && answer(line, -1, &out)) puts_(&out, "\n");
      pos = (size_t)(nl - in.p) + 1;
    }
    if (pos) { memmove(in.p, in.p + pos, in.n - pos); in.n -= pos; }
    size_t off = 0;
    while (off < out.n) { ssize_t w = write(1, out.p + off, out.n - off); if (w < 0) { if (errno == EINTR) continue; return; } off += (size_t)w; }
    out.n = 0;
  }
}

int main(int argc, char **argv) {
  int port = 4801, stdio = 0;
  for (int i = 1; i < argc; i++) {
    if (!strcmp(argv[i], "--port") && i + 1 < argc) port = atoi(argv[++i]);
    else if (!strcmp(argv[i], "--tools") && i + 1 < argc) opt_tools = atoi(argv[++i]);
    else if (!strcmp(argv[i], "--stdio")) stdio = 1;
    else { fprintf(stderr, "unknown option %s\n", argv[i]); return 2; }
  }
  signal(SIGPIPE, SIG_IGN);
  build_tools();
  if (stdio) stdio_main(); else http_main(port);
  return 0;
}
