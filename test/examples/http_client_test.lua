-- http_client_test.lua: examples/http_client.lua with servers of ours and somebody else's.
local here = arg[0]:match('^.*/') or './'
package.path = here .. '?.lua;' .. here .. '../lua/?.lua;' .. package.path
local example = require 'example'
local fiber = require 'fiber'
local socket = require 'socket'
local test = require 'test'

--- Serves one connection: reads a request, writes the answer. Returns the port, and a fiber that returns
--- the request.
local function serve_once(answer)
  local listener = assert(socket('AF_INET', 'SOCK_STREAM', 'tcp'))
  assert(listener:bind('127.0.0.1', 0))
  assert(listener:listen())
  local server = fiber.spawn(function()
    local s <close> = assert(listener:accept())
    listener:close()
    local request = s:readline { '\r\n\r\n' }
    for _, piece in ipairs(type(answer) == 'table' and answer or { answer }) do
      s:write(piece)
      fiber.sleep(0.02)
    end
    return request
  end)
  return listener:name().port, server
end

--- Fetches from such a server. Returns the exit status, what went to stdout and stderr, the request.
local function fetch(answer, ...)
  local port, server = serve_once(answer)
  local client <close> = example.lua('http_client.lua', '127.0.0.1', port, ...)
  local status, out, err = client:wait()
  local _, request = server:join(10)
  return status, out, err, request, port
end

test.case('a body with a length is printed, the status goes to stderr', function()
  local status, out, err, request, port = fetch('HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nhello\n', '/a?b')
  test.equal({ status, out, err }, { 0, 'hello\n', '200 OK, 6 bytes\n' })
  test.equal(request, ('GET /a?b HTTP/1.0\r\nHost: 127.0.0.1:%d\r\nConnection: close\r\n\r\n'):format(port))
end)

test.case('without a length the body ends where the connection does', function()
  local status, out = fetch { 'HTTP/1.0 200 OK\r\nServer: x\r\n\r\n', 'one\n', 'two' }
  test.equal({ status, out }, { 0, 'one\ntwo' })
end)

test.case('more than the length says is not taken', function()
  local status, out = fetch('HTTP/1.0 200 OK\r\nCONTENT-LENGTH:3\r\n\r\nabcdef')
  test.equal({ status, out }, { 0, 'abc' })
end)

test.case('a header with plain newlines that comes in pieces is understood', function()
  local status, out = fetch { 'HTTP/1.0 2', '00 OK\ncontent-len', 'gth: 2\n', '\nok' }
  test.equal({ status, out }, { 0, 'ok' })
end)

test.case('a large body arrives whole', function()
  local body = ('0123456789'):rep(300000)
  local status, out = fetch(('HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%s'):format(#body, body))
  test.equal(status, 0)
  test.ok(out == body)
end)

test.case('any status but 2xx is a failure, and the body is printed all the same', function()
  local status, out, err = fetch('HTTP/1.0 404 Not Found\r\nContent-Length: 5\r\n\r\nnone\n')
  test.equal({ status, out, err }, { 1, 'none\n', '404 Not Found, 5 bytes\n' })
end)

test.case('a body that ends too early is a failure', function()
  local status, out, err = fetch('HTTP/1.0 200 OK\r\nContent-Length: 10\r\n\r\nhello')
  test.equal({ status, out, err }, { 1, '', 'http_client: the body ended after 5 of 10 bytes\n' })
end)

test.case('an answer that is not HTTP is a failure', function()
  local status, _, err = fetch('220 ready\r\n\r\n')
  test.equal({ status, err }, { 1, 'http_client: the answer is not HTTP\n' })
end)

test.case('where nobody listens it says so', function()
  local s <close> = assert(socket('AF_INET', 'SOCK_STREAM', 'tcp'))
  assert(s:bind('127.0.0.1', 0))
  local port = s:name().port
  local client <close> = example.lua('http_client.lua', '127.0.0.1', port)
  local status, _, err = client:wait()
  test.equal({ status, err }, { 1, ('http_client: 127.0.0.1:%d: Connection refused\n'):format(port) })
end)

test.case('a name, a bad port and no argument at all are refused with a clear error', function()
  local named <close> = example.lua('http_client.lua', 'a..b', 80)
  local status, _, err = named:wait()
  test.equal(status, 1)
  test.match(err, 'cannot resolve a..b:80')
  local ported <close> = example.lua('http_client.lua', '127.0.0.1', '99999')
  test.equal(ported:wait(), 1)
  local bare <close> = example.lua('http_client.lua')
  local bare_status, _, usage = bare:wait()
  test.equal(bare_status, 2)
  test.match(usage, '^usage: ')
end)

example.case_with('python3', 'a page of a server in Python is fetched', function()
  local server <close> = example.start('python3', '-u', '-m', 'http.server', '--bind', '127.0.0.1', '0')
  local port = server:expect('port (%d+)')
  local page <close> = example.lua('http_client.lua', '127.0.0.1', port, '/in')
  test.equal({ page:wait() }, { 0, '', '200 OK, 0 bytes\n' })
  local listing <close> = example.lua('http_client.lua', '127.0.0.1', port)
  local status, out = listing:wait()
  test.equal(status, 0)
  test.match(out, '<title>Directory listing for /</title>')
  local missing <close> = example.lua('http_client.lua', '127.0.0.1', port, '/missing')
  test.equal(missing:wait(), 1)
end)

test.finish()
