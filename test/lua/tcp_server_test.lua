-- tcp_server_test.lua: socket.tcp_server, its options, its addresses, and its halves.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local test = require 'test'
local child = require 'child'
local descriptors = require 'descriptors'
local line_server = require 'line_server'
local loopback = require 'loopback'
local errno = require 'errno'
local fiber = require 'fiber'
local socket = require 'socket'

local echo, serve, connect, ask = line_server.echo, line_server.serve, line_server.connect, line_server.ask

local function ignore() end

-- -- Serving --------------------------------------------------------------------------------------

test.case('each connection is handled in a fiber named after its peer', function()
  local seen
  local server <close> = serve(function(s, from)
    seen = { from = from, name = fiber.name(), waiting = not s:nonblock() }
    echo(s)
  end)
  local a <close> = connect(server)
  local b <close> = connect(server)
  test.equal(ask(b, 'second'), 'second\n')
  test.equal(ask(a, 'first'), 'first\n')
  local port = b:name().port
  test.equal(seen.from, { host = '127.0.0.1', port = port, family = 'AF_INET' })
  test.equal(seen.name, 'server/127.0.0.1:' .. port)
  test.equal(seen.waiting, true)
  test.ok(line_server.names_of_fibers()['server/127.0.0.1:0'])
  test.ok(line_server.names_of_fibers()['server/127.0.0.1:' .. a:name().port])
end)

test.case('a handler keeps its name when the peer has reset the connection', function()
  local before, after
  local server = assert(socket.tcp_server('127.0.0.1', 0, function(s)
    before = fiber.name()
    s:read_any()
    after = { fiber.name(), s:peer() == nil }
  end))
  local client = assert(socket.tcp_connect('127.0.0.1', server:name().port))
  test.eventually(function() return before end)
  client:linger(true, 0)
  client:close()
  test.eventually(function() return after end)
  test.equal(after, { before, true })
  test.match(before, '^server/127%.0%.0%.1:%d+$')
  server:stop()
end)

test.case('the server is the listening socket, and comes with the address asked for', function()
  local server <close>, address = socket.tcp_server('127.0.0.1', 0, ignore)
  test.equal(server:name().host, '127.0.0.1')
  test.ok(server:name().port > 0)
  test.equal(server:getsockopt('SOL_SOCKET', 'SO_ACCEPTCONN'), 1)
  test.equal(server:getsockopt('SOL_SOCKET', 'SO_REUSEADDR'), 1)
  test.match(tostring(server), '^fd %d+, aka 127.0.0.1:%d+$')
  test.equal(tostring(address), '127.0.0.1:0')
  test.equal(address.type, 'SOCK_STREAM')
  test.equal(address.protocol, 'tcp')
end)

test.case('the client is closed when the handler returns, and what it gathered is sent', function()
  local server <close> = serve(function(s)
    s:setvbuf('auto')
    s:write('gathered')
  end)
  test.equal(connect(server):read(nil, 10), 'gathered')
end)

test.case('a handler may close its socket itself', function()
  local server <close> = serve(function(s)
    s:write('x')
    s:close()
  end)
  test.equal(connect(server):read(nil, 10), 'x')
  test.equal(connect(server):read(nil, 10), 'x')
end)

test.case('a fiber that still uses the socket learns that it is closed', function()
  local other
  local server <close> = serve(function(s)
    other = fiber.spawn(s.read, s, 1)
    fiber.yield()
  end)
  test.equal(connect(server):read(nil, 10), '')
  local ok, problem = other:join()
  test.ok(not ok)
  test.match(tostring(problem), 'attempt to use closed socket')
end)

test.case('an error is reported with its traceback, and the server goes on', function()
  local result = child.run([[
    local fiber, socket = require 'fiber', require 'socket'
    local calls = 0
    local server = socket.tcp_server('127.0.0.1', 0, { name = 'shop', handler = function()
      calls = calls + 1
      if calls == 1 then error('out of tea') end
      local object = setmetatable({}, { __tostring = function() return 'an object' end })
      if calls == 2 then error(object) end
    end })
    local own
    for _ = 1, 3 do
      local s = socket.tcp_connect('127.0.0.1', server:name().port)
      own = own or s:name().port
      assert(s:read() == '')
    end
    print(calls, own)
    server:close()
  ]])
  test.equal(result.code, 0)
  local port = result.out:match('^3\t(%d+)\n$')
  test.match(result.err,
    ('fiber %%d+ %%(shop/127.0.0.1:%s%%) died: [^\n]*out of tea\n'):format(port))
  test.match(result.err, 'stack traceback:\n')
  test.match(result.err, 'died: an object\n')
end)

test.case('a handler waits in pcall, and is no coroutine that could be left', function()
  local server = serve(function(s)
    local _, caught = pcall(function()
      fiber.sleep(0.001)
      error(s:readline(), 0)
    end)
    local _, message = pcall(coroutine.yield)
    s:write(('%s%s, %s\n'):format(caught, coroutine.isyieldable(), message))
  end)
  local s <close> = connect(server)
  test.equal(ask(s, 'thrown'), 'thrown\n')
  test.equal(s:readline(nil, 10), 'false, attempt to yield from outside a coroutine\n')
  server:close()
end)

test.case('a cancelled handler is not reported, and its socket is closed', function()
  local handler
  local server <close> = serve(function(s)
    handler = fiber.self()
    s:read()
  end)
  local s = connect(server)
  test.eventually(function() return handler end)
  handler:cancel()
  test.equal(s:read(nil, 10), '')
end)

test.case('a handler that somebody joins has its results', function()
  local handler
  local server <close> = serve(function()
    handler = fiber.self()
    handler:set_joinable(true)
    return 1, nil, 3
  end)
  test.equal(connect(server):read(nil, 10), '')
  test.equal({ handler:join() }, { true, 1, nil, 3 })
end)

test.case('a thousand connections one after the other leave nothing behind', function()
  local server <close> = serve(echo)
  local function round()
    local s <close> = connect(server)
    test.equal(ask(s, 'x'), 'x\n')
  end
  for _ = 1, 100 do round() end
  test.settle()
  collectgarbage()
  local before = descriptors.count()
  for _ = 1, 1000 do round() end
  test.settle()
  collectgarbage()
  test.equal(descriptors.count(), before)
end)

test.case('many at once do not keep the others from running', function()
  local server <close> = serve(echo)
  local clients = {}
  for i = 1, 150 do clients[i] = connect(server) end
  local turns, done = 0, false
  fiber.new(function() while not done do turns = turns + 1; fiber.yield() end end)
  for i, s in ipairs(clients) do s:write(i .. '\n') end
  for i, s in ipairs(clients) do test.equal(s:readline(nil, 10), i .. '\n') end
  done = true
  test.ok(turns > 1)
end)

-- -- Options --------------------------------------------------------------------------------------

test.case('max_connections lets others wait, and drops none', function()
  local now, most = 0, 0
  local server <close> = serve { max_connections = 3, handler = function(s)
    now = now + 1
    most = math.max(most, now)
    echo(s)
    now = now - 1
  end }
  local clients = {}
  for i = 1, 10 do
    clients[i] = connect(server)
    clients[i]:write(i .. '\n')
  end
  for i, s in ipairs(clients) do
    test.equal(s:readline(nil, 10), i .. '\n')
    s:close()
  end
  test.equal(most, 3)
end)

test.case('prepare sees the socket before it is bound, and then nothing is set for it', function()
  local seen
  local server <close> = serve { handler = echo, name = 'own', prepare = function(s)
    seen = s:name().port
    return 3
  end }
  test.equal(seen, 0)
  test.equal(server:getsockopt('SOL_SOCKET', 'SO_REUSEADDR'), 0)
  test.ok(line_server.names_of_fibers()['own/127.0.0.1:0'])
  test.equal(ask(connect(server), 'x'), 'x\n')
end)

test.case('an error in prepare is the caller\'s, and nothing stays open', function()
  collectgarbage()
  local before = descriptors.count()
  local reason = {}
  local _, problem = pcall(socket.tcp_server, '127.0.0.1', 0,
    { handler = ignore, prepare = function() error(reason) end })
  test.ok(problem == reason)
  test.fails('EBADF', socket.tcp_server('127.0.0.1', 0,
    { handler = ignore, prepare = function(s) s:close() end }))
  collectgarbage()
  test.equal(descriptors.count(), before)
end)

test.case('a long name is cut', function()
  local server <close> = serve { handler = ignore, name = ('n'):rep(300) }
  test.ok(line_server.names_of_fibers()[('n'):rep(255)])
  test.ok(server)
end)

test.case('wrong arguments raise and say which', function()
  local function server(options) return socket.tcp_server('127.0.0.1', 0, options) end
  test.raises('tcp_server: handler is missing', server)
  test.raises('tcp_server: a function or a table expected, got string', server, 'handler')
  test.raises('tcp_server: handler is missing', server, {})
  test.raises('tcp_server: handler must be a function, not number', server, { handler = 1 })
  test.raises('tcp_server: prepare must be a function', server,
    { handler = ignore, prepare = true })
  test.raises('tcp_server: name must be a string', server, { handler = ignore, name = {} })
  for _, count in ipairs { 0, -1, 1.5, '3', 0 / 0 } do
    test.raises('tcp_server: max_connections must be an integer from 1', server,
      { handler = ignore, max_connections = count })
  end
  test.raises('tcp_server: backlog must be an integer', server, { handler = ignore, backlog = -1 })
  test.raises('tcp_server: unknown option hander', server, { handler = ignore, hander = ignore })
  test.raises('bad argument', socket.tcp_server, '127.0.0.1', nil, ignore)
  test.raises('bad argument', socket.tcp_server, 1, 0, ignore)
  test.raises('NaN', socket.tcp_server, '127.0.0.1', 0, ignore, 0 / 0)
end)

-- -- Addresses ------------------------------------------------------------------------------------

test.case('what cannot be listened on fails, with the address', function()
  local listener <close>, port = loopback.listener()
  local message = test.fails('EADDRINUSE', socket.tcp_server('127.0.0.1', port, ignore))
  test.equal(message, ('127.0.0.1:%d: Address already in use'):format(port))
  test.fails('EADDRNOTAVAIL', socket.tcp_server('192.0.2.1', 0, ignore))
  test.fails('EINVAL', socket.tcp_server('127.0.0.1', 65536, ignore))
  test.fails('EIO', socket.tcp_server('127.0.0.1', '80x', ignore))
  test.fails('EIO', socket.tcp_server('a..b', 80, ignore))
  test.equal(socket.errno(), errno.EIO)
  test.ok(listener)
end)

test.case('without a host it is every address, IPv6 apart from IPv4, all on one port', function()
  local server <close> = serve(echo, '')
  local port = server:name().port
  test.equal(ask(test.ok(socket.tcp_connect('127.0.0.1', port, 10)), 'x'), 'x\n')
  local v6, problem, code = socket.tcp_connect('::1', port, 10)
  if not v6 and code ~= errno.ECONNREFUSED then return test.skip('IPv6', problem) end
  test.equal(ask(test.ok(v6, problem), 'x'), 'x\n')
  server:close()
  test.fails('ECONNREFUSED', socket.tcp_connect('127.0.0.1', port))
  test.fails('ECONNREFUSED', socket.tcp_connect('::1', port))
end)

test.case('a dead Unix socket is replaced, a live one is not; the file goes at the end', function()
  local path = loopback.free_path()
  local dead = socket('AF_UNIX', 'SOCK_STREAM')
  dead:bind('unix/', path)
  dead:close()
  test.ok(loopback.exists(path))
  local seen
  local server, address = socket.tcp_server('unix/', path, function(s, from)
    seen = { from = from, name = fiber.name() }
    echo(s)
  end)
  test.equal(address.port, path)
  test.equal(address.host, 'unix/')
  local s <close> = test.ok(socket.tcp_connect('unix/', path))
  test.equal(ask(s, 'x'), 'x\n')
  test.equal(seen.from, { host = 'unix/', port = '', family = 'AF_UNIX' })
  test.equal(seen.name, 'server/unix/:')
  local message = test.fails('EADDRINUSE', socket.tcp_server('unix/', path, ignore))
  test.match(message, path)
  server:close()
  test.equal(loopback.exists(path), false)
end)

test.case('a file that is no socket, or no longer the server\'s, is left alone', function()
  local path = loopback.free_path()
  io.open(path, 'w'):close()
  test.fails('EADDRINUSE', socket.tcp_server('unix/', path, ignore))
  test.ok(loopback.exists(path))
  os.remove(path)
  local first = test.ok(socket.tcp_server('unix/', path, ignore))
  os.remove(path)
  local second = test.ok(socket.tcp_server('unix/', path, ignore))
  first:close()
  test.ok(loopback.exists(path))
  second:close()
  test.equal(loopback.exists(path), false)
end)

test.case('a path that is too long says the limit', function()
  local message = test.fails('ENOBUFS', socket.tcp_server('unix/', ('x'):rep(108), ignore))
  test.match(message, 'path is longer than 107 bytes')
  test.fails('ENOENT', socket.tcp_server('unix/', loopback.free_path() .. '/none', ignore))
end)

-- -- The halves -----------------------------------------------------------------------------------

test.case('tcp_server_create and tcp_server_loop are the two halves', function()
  local server = test.ok(socket.tcp_server_create('127.0.0.1', 0))
  local looping = fiber.spawn(socket.tcp_server_loop, server, { name = 'half', handler = echo })
  local s <close> = connect(server)
  test.equal(ask(s, 'x'), 'x\n')
  test.ok(line_server.names_of_fibers()['half/127.0.0.1:' .. s:name().port])
  s:close()
  test.equal(server:stop(10), true)
  test.equal({ looping:join(10) }, { true, true })
end)

test.case('tcp_server_loop takes any listening socket, or its descriptor', function()
  local listener, port = loopback.listener()
  local looping = fiber.spawn(socket.tcp_server_loop, listener, echo)
  test.equal(ask(test.ok(socket.tcp_connect('127.0.0.1', port)), 'x'), 'x\n')
  listener:close()
  test.equal({ looping:join(10) }, { true, true })
  listener, port = loopback.listener()
  looping = fiber.spawn(socket.tcp_server_loop, listener:detach(), echo)
  test.equal(ask(test.ok(socket.tcp_connect('127.0.0.1', port)), 'x'), 'x\n')
  looping:cancel()
  local ok, problem = looping:join(10)
  test.ok(not ok and fiber.is_cancelled(problem))
  test.fails('EINVAL', socket.tcp_server_loop(socket('AF_INET', 'SOCK_STREAM'), echo))
  test.raises('handler is missing', socket.tcp_server_loop, listener)
  test.raises('descriptor 999 cannot be used', socket.tcp_server_loop, 999, echo)
end)

test.case('the halves serve all addresses of a name', function()
  local server = test.ok(socket.tcp_server_create('', 0))
  local looping = fiber.spawn(socket.tcp_server_loop, server, echo)
  test.settle()
  local port = server:name().port
  test.equal(ask(test.ok(socket.tcp_connect('127.0.0.1', port)), 'x'), 'x\n')
  local v6 = socket.tcp_connect('::1', port)
  if v6 then test.equal(ask(v6, 'x'), 'x\n') end
  server:close()
  test.equal({ looping:join(10) }, { true, true })
end)

test.finish()
