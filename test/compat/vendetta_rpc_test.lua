-- vendetta_rpc_test.lua: remote calls: many at once, in coroutines, from handlers; lost connections.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local vendetta = require 'vendetta'
local client = require 'coir.compat.vendetta.client'
local server = require 'coir.compat.vendetta.server'
local tcpsock = require 'coir.compat.vendetta.tcpsock'
local fiber = require 'fiber'
local remote = require 'remote'
local test = require 'test'

local with = remote.with
local methods = remote.methods

-- -- Many calls at once -----------------------------------------------------------------------------

test.case('answers out of order find their calls, in fibers', function()
  with({}, function(rpc)
    local order, calls = {}, {}
    for i = 1, 5 do
      calls[i] = fiber.spawn(function()
        test.equal(rpc:wait((6 - i) * 0.01, i), i)
        order[#order + 1] = i
      end)
    end
    for i = 1, 5 do test.ok(calls[i]:join(10)) end
    test.equal(order, { 5, 4, 3, 2, 1 })
  end)
end)

test.case('a thousand calls at once from fibers and coroutines', function()
  with({}, function(rpc)
    local group, sum = fiber.wait_group(), 0
    group:add(1000)
    local function call(i)
      local answer = rpc:echo(i)
      sum = sum + answer
      group:done()
    end
    for i = 1, 500 do fiber.new(call, i) end
    for i = 501, 1000 do coroutine.wrap(call)(i) end
    test.ok(group:wait(15))
    test.equal(sum, 500500)
  end)
end)

test.case('a request that waits keeps no other one of its connection', function()
  with({}, function(rpc)
    local slow = fiber.spawn(rpc.wait, rpc, 100, 1)
    test.equal(rpc:echo('quick'), 'quick')
    test.equal(slow:status(), 'suspended')
    slow:cancel()
  end)
end)

test.case('two clients of one server', function()
  with({}, function(rpc, port)
    local other = client.make_client('127.0.0.1', port)
    test.equal({ rpc:echo(1), other:echo(2) }, { 1, 2 })
    test.ok(rpc:peer() ~= other:peer())
    client.close(other)
    test.equal(rpc:echo(3), 3)
  end)
end)

-- -- Coroutines -------------------------------------------------------------------------------------

test.case('inside a coroutine the wrapper returns at the call, and the loop goes on with it later', function()
  with({}, function(rpc)
    local order, told = {}, fiber.channel(1)
    coroutine.wrap(function()
      order[#order + 1] = 'before'
      local answer = rpc:echo('answer')
      order[#order + 1] = answer
      told:put(true)
    end)()
    order[#order + 1] = 'after wrap'
    test.ok(told:get(10))
    test.equal(order, { 'before', 'after wrap', 'answer' })
  end)
end)

test.case('a coroutine makes many calls one after the other', function()
  with({}, function(rpc)
    local told = fiber.channel(1)
    coroutine.wrap(function()
      local sum = 0
      for i = 1, 50 do sum = sum + rpc:echo(i) end
      told:put(sum)
    end)()
    test.equal(told:get(10), 1275)
  end)
end)

test.case('pcall in a coroutine catches the error of a call', function()
  with({}, function(rpc)
    local told = fiber.channel(1)
    coroutine.wrap(function() told:put({ pcall(rpc.fail, rpc, 'caught', 0) }) end)()
    test.equal(told:get(10), { false, 'caught' })
  end)
end)

test.case('an error that ends a coroutine later is logged', function()
  with({}, function(rpc)
    local lines = vendetta.logged(function(lines)
      coroutine.wrap(function() rpc:fail('not caught') end)()
      test.eventually(function() return lines[1] end)
    end)
    test.match(lines[1], '^ERROR .*not caught')
  end)
end)

test.case('a coroutine that somebody resumes too early goes on waiting', function()
  with({}, function(rpc)
    local result
    local co = coroutine.create(function() result = rpc:wait(0.02, 'answer') end)
    coroutine.resume(co)
    coroutine.resume(co, 'too early')
    test.equal(result, nil)
    test.eventually(function() return result end)
    test.equal(result, 'answer')
    test.equal(coroutine.status(co), 'dead')
  end)
end)

test.case('where a coroutine cannot yield the fiber waits', function()
  with({}, function(rpc)
    local list, done = { 3, 1, 2 }, false
    coroutine.wrap(function()
      table.sort(list, function(a, b) return rpc:echo(a < b) end)
      done = true
    end)()
    test.ok(done)
    test.equal(list, { 1, 2, 3 })
  end)
end)

test.case('calls in metamethods, iterators and gsub', function()
  with({}, function(rpc)
    local object = setmetatable({}, { __index = function(_, k) return rpc:echo(k) end })
    test.equal(object.field, 'field')
    test.equal(('a b'):gsub('%a', function(c) return rpc:echo(c .. c) end), 'aa bb')
  end)
end)

test.case('a coroutine that is closed while it waits: the answer is ignored', function()
  with({}, function(rpc)
    local co = coroutine.create(function() rpc:wait(0.01) end)
    coroutine.resume(co)
    test.ok(coroutine.close(co))
    test.equal(vendetta.logged(function() rpc:wait(0.03) end), {})
  end)
end)

test.case('a fiber that is cancelled while it waits: the answer is ignored', function()
  with({}, function(rpc)
    local caller = fiber.spawn(rpc.wait, rpc, 0.01)
    test.settle()
    caller:cancel()
    local ok, problem = caller:join(10)
    test.equal({ ok, fiber.is_cancelled(problem) }, { false, true })
    test.equal(vendetta.logged(function() rpc:wait(0.03) end), {})
  end)
end)

-- -- Calls from handlers ----------------------------------------------------------------------------

test.case('conn_handler may call', function()
  local listening = server.make_server(0, methods)
  local told = fiber.channel(1)
  local rpc
  rpc = client.make_client('127.0.0.1', vendetta.port(listening), function(self, err)
    told:put({ self == rpc, err, self:echo('from the handler') })
  end)
  test.equal(told:get(10), { true, nil, 'from the handler' })
  client.close(rpc)
  listening:Disconnect()
end)

test.case("the server's conn_handler may call another server, and comes before the requests", function()
  with({}, function(rpc)
    local order = {}
    local second = server.make_server(0, { f = function() order[#order + 1] = 'request' end },
      function() order[#order + 1] = rpc:echo('conn') end)
    local other = client.make_client('127.0.0.1', vendetta.port(second))
    other:f()
    test.equal(order, { 'conn', 'request' })
    client.close(other)
    second:Disconnect()
  end)
end)

test.case('a method may call: another server, and the one that it is in', function()
  local rpc_to_itself
  with({
    ask = function(_, value) return rpc_to_itself:echo(value) end,
    deeper = function(_, n) return n == 0 and 'bottom' or rpc_to_itself:deeper(n - 1) end,
  }, function(rpc)
    rpc_to_itself = rpc
    test.equal(rpc:ask('x'), 'x')
    test.equal(rpc:deeper(20), 'bottom')
  end)
end)

test.case('a line handler may call', function()
  with({}, function(rpc)
    local told = fiber.channel(1)
    local listening = tcpsock.make_server(0, nil, function(_, line) told:put(rpc:echo(line)) end)
    local s = vendetta.plain(vendetta.port(listening))
    s:write('line\n')
    test.equal(told:get(10), 'line')
    s:close()
    listening:Disconnect()
  end)
end)

-- -- The connection ---------------------------------------------------------------------------------

test.case('calls before the connection stands wait for it', function()
  with({}, function(rpc) test.equal(rpc:echo('at once'), 'at once') end)
end)

test.case('a refused connection: calls raise, conn_handler gets the message', function()
  local told = fiber.channel(1)
  local rpc = client.make_client('127.0.0.1', vendetta.dead_port(), function(...) told:put({ ... }) end)
  test.raises('Connection refused', rpc.echo, rpc)
  test.equal(told:get(10), { nil, 'Connection refused' })
  test.raises('Connection refused', rpc.echo, rpc)
  client.close(rpc)
end)

test.case('connecting that fails at once', function()
  local told = fiber.channel(1)
  local rpc = client.make_client('127.0.0.1', 'no port', function(...) told:put({ ... }) end)
  test.raises('port', rpc.echo, rpc)
  test.match(told:get(10)[2], 'port')
  client.close(rpc)
end)

test.case('a lost connection: every call that waits raises, later ones at once; disconn_handler once', function()
  local listener, port = vendetta.plain_listener()
  local ends = 0
  local rpc
  rpc = client.make_client('127.0.0.1', port, nil, function(self)
    ends = ends + 1
    test.ok(self == rpc)
    test.raises('connection is lost', rpc.echo, rpc)
  end)
  local fibers, in_coroutine = {}, nil
  for i = 1, 10 do fibers[i] = fiber.spawn(rpc.echo, rpc, i) end
  coroutine.wrap(function() in_coroutine = { pcall(rpc.echo, rpc) } end)()
  local s = listener:accept(10)
  test.match(s:readline(nil, '\n', 10), '"method":"echo"')
  s:close()
  for i = 1, 10 do
    local ok, problem = fibers[i]:join(10)
    test.equal({ ok, problem }, { false, 'the connection is lost' })
  end
  test.eventually(function() return in_coroutine end)
  test.equal(in_coroutine, { false, 'the connection is lost' })
  test.raises('connection is lost', rpc.echo, rpc)
  test.equal(ends, 1)
end)

test.case('a reset connection counts as lost', function()
  local listener, port = vendetta.plain_listener()
  local rpc = client.make_client('127.0.0.1', port)
  local call = fiber.spawn(rpc.echo, rpc)
  local s = listener:accept(10)
  s:readline(nil, '\n', 10)
  vendetta.reset(s)
  test.equal({ call:join(10) }, { false, 'the connection is lost' })
end)

test.case('close: calls that wait raise, disconn_handler is not called, and it may be repeated', function()
  local listening = server.make_server(0, methods)
  local rpc = client.make_client('127.0.0.1', vendetta.port(listening), nil, function() error('called') end)
  local call = fiber.spawn(rpc.wait, rpc, 100)
  test.equal(rpc:echo(1), 1)
  local lines = vendetta.logged(function()
    client.close(rpc)
    client.close(rpc)
    test.equal({ call:join(10) }, { false, 'the connection is closed' })
    test.raises('connection is closed', rpc.echo, rpc)
    test.settle()
  end)
  test.equal(lines, {})
  listening:Disconnect()
end)

test.case('close before the connection stands', function()
  local _listener, port = vendetta.plain_listener()
  local rpc = client.make_client('127.0.0.1', port, function() error('called') end)
  local call = fiber.spawn(rpc.echo, rpc)
  fiber.yield()
  test.equal(vendetta.logged(function()
    client.close(rpc)
    test.settle()
  end), {})
  test.equal({ call:join(10) }, { false, 'the connection is closed' })
  return _listener
end)

test.case('a client that goes away while its method runs', function()
  local go, done = fiber.cond(), false
  local ended = fiber.channel(1)
  local listening = server.make_server(0, { f = function()
    go:wait(10)
    done = true
    return 'nobody wants this'
  end }, nil, function() ended:put(true) end)
  local s = vendetta.plain(vendetta.port(listening))
  s:write('{"id":1,"method":"f","params":[]}\n')
  test.settle()
  s:close()
  test.ok(ended:get(10))
  test.equal(vendetta.logged(function()
    go:signal()
    test.eventually(function() return done end)
    test.settle()
  end), {})
  listening:Disconnect()
end)

test.case('make_server raises when it cannot listen', function()
  local listening = server.make_server(0, methods)
  test.raises('Address already in use', server.make_server, vendetta.port(listening), methods)
  listening:Disconnect()
end)

test.finish()
