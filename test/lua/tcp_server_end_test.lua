-- tcp_server_end_test.lua: how a server of socket.tcp_server ends, and what it survives.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local test = require 'test'
local child = require 'child'
local descriptors = require 'descriptors'
local line_server = require 'line_server'
local loopback = require 'loopback'
local fiber = require 'fiber'
local socket = require 'socket'

local echo, serve, connect, ask = line_server.echo, line_server.serve, line_server.connect, line_server.ask

local function ignore() end

-- -- The end --------------------------------------------------------------------------------------

test.case('closing leaves the connections alone', function()
  local server = serve(echo)
  local s <close> = connect(server)
  test.equal(ask(s, 'x'), 'x\n')
  local port = server:name().port
  test.equal(server:close(), true)
  test.equal(ask(s, 'y'), 'y\n')
  test.fails('ECONNREFUSED', socket.tcp_connect('127.0.0.1', port))
  test.raises('attempt to use closed socket', server.name, server)
end)

test.case('stop waits for the connections', function()
  local server = serve(echo)
  local s = connect(server)
  test.equal(ask(s, 'x'), 'x\n')
  local stopping = fiber.spawn(server.stop, server)
  test.settle()
  test.equal(stopping:status(), 'suspended')
  s:close()
  test.equal({ stopping:join(10) }, { true, true })
  test.equal(server:stop(), true) -- once more
end)

test.case('stop cancels those that take too long', function()
  local cancelled
  local server = serve(function(s)
    local ok, problem = pcall(s.read, s)
    cancelled = not ok and fiber.is_cancelled(problem)
    error(problem, 0)
  end)
  local a, b = connect(server), connect(server)
  test.eventually(function() return server:getsockopt('socket', 'SO_ERROR') and line_server.names_of_fibers()[
    'server/127.0.0.1:' .. b:name().port] end)
  local message = test.refused('ETIMEDOUT', server:stop(0.01))
  test.equal(message, '2 handlers were cancelled')
  test.equal(cancelled, true)
  test.equal(a:read(nil, 10), '')
end)

test.case('a connection may stop its server', function()
  local server, result
  server = serve(function(s)
    result = server:stop(10)
    s:write('done')
  end)
  test.equal(connect(server):read(nil, 10), 'done')
  test.equal(result, true)
end)

test.case('stop can be cancelled, and is misuse on what is no server', function()
  local server = serve(echo)
  local s <close> = connect(server)
  test.equal(ask(s, 'x'), 'x\n')
  local stopping = fiber.spawn(server.stop, server)
  test.settle()
  stopping:cancel()
  local ok, problem = stopping:join()
  test.ok(not ok and fiber.is_cancelled(problem))
  test.raises('Usage: server:stop', server.stop, s)
  test.raises('Usage: server:stop', server.stop, 5)
end)

test.case('a server whose fiber is cancelled is closed', function()
  local server = serve(echo)
  for id, row in pairs(fiber.info()) do
    if row.name == 'server/127.0.0.1:0' then fiber.cancel(id) end
  end
  test.settle()
  test.raises('attempt to use closed socket', server.name, server)
end)

test.case('a program goes on while its server is open, and ends when it is closed', function()
  local result = child.run [[
    local fiber, socket = require 'fiber', require 'socket'
    local path = os.tmpname() os.remove(path)
    local server = socket.tcp_server('unix/', path, function(s) s:write('served') end)
    fiber.create(function()
      fiber.sleep(0.01)
      print(socket.tcp_connect('unix/', path):read())
      server:close()
    end)
    print('main ended')
  ]]
  test.equal({ result.out, result.err, result.code }, { 'main ended\nserved\n', '', 0 })
end)

test.case('SIGTERM ends a server and its connections, and deletes its file', function()
  local server = child.start [[
    local path = os.tmpname() os.remove(path)
    local server = socket.tcp_server('unix/', path, function(s) s:read() end)
    local s = socket.tcp_connect('unix/', path)
    print(path)
  ]]
  local path = server:line()
  server:signal('TERM')
  local rest, how, code = server:wait()
  test.equal({ rest, how, code }, { '', 'signal', 15 })
  test.equal(loopback.exists(path), false)
end)

test.case('what nobody has any more leaves nothing behind', function()
  collectgarbage()
  local before, path = descriptors.count(), loopback.free_path()
  test.ok(socket.tcp_server_create('unix/', path))
  test.ok(loopback.exists(path))
  collectgarbage()
  collectgarbage()
  test.equal(loopback.exists(path), false)
  test.equal(descriptors.count(), before)
end)

test.case('detach gives the descriptor away, and the file stays with it', function()
  local path = loopback.free_path()
  local server = test.ok(socket.tcp_server('unix/', path, ignore))
  local fd = server:detach()
  test.settle()
  test.ok(loopback.exists(path))
  local again <close> = test.ok(socket.from_fd(fd))
  test.equal(again:name().port, path)
  os.remove(path)
end)

-- -- Running out of descriptors -------------------------------------------------------------------

test.case('without descriptors it waits, says so once, and goes on', function()
  local result = child.shell([[ulimit -n 40; exec "$0" -e '
    local fiber, socket = require "fiber", require "socket"
    local server = socket.tcp_server("127.0.0.1", 0, function(s)
      for line in s:lines() do s:write(line .. "\n") end
    end)
    local port, clients, spare = server:name().port, {}, {}
    repeat spare[#spare + 1] = socket("AF_INET", "SOCK_STREAM") until socket.errno() ~= 0
    for i = 1, 21 do spare[i]:close() end -- an odd number: the last client is left waiting
    repeat -- until there is no descriptor left, neither for a client nor for its other end
      local s = socket.tcp_connect("127.0.0.1", port)
      clients[#clients + 1] = s
      fiber.yield()
    until not s
    local began = fiber.clock()
    fiber.sleep(0.1) -- the server is trying all the time
    assert(fiber.self():csw() < 1000)
    local served, waiting = 0, {}
    for i, s in ipairs(clients) do
      s:write(i .. "\n")
      if s:readline(nil, 0.1) then served = served + 1 else waiting[#waiting + 1] = s end
    end
    print(served > 5, #waiting > 0)
    for _, s in ipairs(clients) do
      local waits = false
      for _, other in ipairs(waiting) do waits = waits or s == other end
      if not waits then s:close() end
    end
    for _, s in ipairs(waiting) do assert(s:readline(nil, 10)) end
    print("recovered")
    server:stop(0)
  ']])
  test.equal(result.out, 'true\ttrue\nrecovered\n')
  test.match(result.err, '^server 127.0.0.1:%d+: Too many open files; it goes on when it can\n$')
end)

test.finish()
