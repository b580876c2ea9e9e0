-- vendetta_rpc_test.lua: remote calls.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local vendetta = require 'vendetta'
local client = require 'coir.compat.vendetta.client'
local server = require 'coir.compat.vendetta.server'
local wire = require 'coir.compat.vendetta.wire'
local fiber = require 'fiber'
local test = require 'test'

local methods = {}

function methods.echo(_, ...) return ... end
function methods.count(_, ...) return select('#', ...) end
function methods.fail(_, ...) error(...) end
function methods.wait(_, seconds, value)
  fiber.sleep(seconds)
  return value
end
function methods:peer() return self.tcp:GetPeerName() end
function methods.lua_function() return print end

--- A server with these methods and a client of it. `body(rpc, port)` runs, and both are ended.
local function with(more, body)
  local listening = server.make_server(0, setmetatable(more, { __index = methods }))
  local rpc = client.make_client('127.0.0.1', vendetta.port(listening))
  local ok, problem = pcall(body, rpc, vendetta.port(listening))
  client.close(rpc)
  listening:Disconnect()
  if not ok then error(problem, 0) end
end

-- -- Values -----------------------------------------------------------------------------------------

local deep = {}
do
  local inner = deep
  for i = 1, 50 do
    inner.next = { value = i }
    inner = inner.next
  end
end

for about, values in pairs {
  ['nothing'] = { n = 0 },
  ['nil'] = { n = 1 },
  ['a hole'] = { n = 3, 'x', nil, 'z' },
  ['a nil at the end'] = { n = 2, 'x', nil },
  ['only nils'] = { n = 4 },
  ['booleans'] = { n = 2, true, false },
  ['integers'] = { n = 5, 0, -1, math.maxinteger, math.mininteger, 9007199254740993 },
  ['floats'] = { n = 8, 0.1, -0.5, 1e300, 5e-324, math.pi, 1 / 3, 0.1 + 0.2, -1e-7 },
  ['whole floats'] = { n = 3, 1.0, -2.0, 1e15 },
  ['text'] = { n = 3, '', 'text', 'with "quotes" \\ and / slashes' },
  ['control characters'] = { n = 1, '\0\1\n\r\t\b\f\31\127' },
  ['Unicode'] = { n = 4, 'Grüße', '日本語', '😀', '\u{2028}\u{2029}\u{FEFF}' },
  ['bytes that are no UTF-8'] = { n = 1, '\128\255\254\192' },
  ['an empty table'] = { n = 1, {} },
  ['an array'] = { n = 1, { 1, 2, 3 } },
  ['an array of arrays'] = { n = 1, { {}, { {} }, { 1, { 2 } } } },
  ['an object'] = { n = 1, { a = 1, b = { c = 'd' } } },
  ['odd keys'] = { n = 1, { [''] = 1, ['a b'] = 2, ['ü'] = 3, ['"'] = 4 } },
  ['a depth of fifty'] = { n = 1, deep },
  ['a field n'] = { n = 4, { n = 3, a = 1 }, { n = 2 }, { n = 0.5 }, { { n = 7, x = { n = 0 } } } },
  ['the sample of the page'] = { n = 3, 'any', { arguments = true }, 23894 },
} do
  test.case('values arrive and return: ' .. about, function()
    with({}, function(rpc)
      local back = table.pack(rpc:echo(table.unpack(values, 1, values.n)))
      test.equal(back, values)
      for i = 1, values.n do test.equal(math.type(back[i]), math.type(values[i])) end
      test.equal(rpc:count(table.unpack(values, 1, values.n)), values.n)
    end)
  end)
end

test.case('a table with holes, and one with both kinds of keys, become objects with text for keys', function()
  with({}, function(rpc)
    test.equal(rpc:echo { 1, nil, 3 }, { ['1'] = 1, ['3'] = 3 })
    test.equal(rpc:echo { 1, a = 2 }, { ['1'] = 1, a = 2 })
    test.equal(rpc:echo { [1.5] = 1 }, { ['1.5'] = 1 })
    test.equal(rpc:echo { n = 1, 'x' }, { n = 1, ['1'] = 'x' })
  end)
end)

test.case('a table twice in one call is no cycle', function()
  with({}, function(rpc)
    local shared = { 1 }
    test.equal(rpc:echo { shared, shared }, { { 1 }, { 1 } })
  end)
end)

local cycle = {}
cycle[1] = { cycle }
for about, value in pairs {
  ['functions'] = print,
  ['a cycle'] = cycle,
  ['NaN'] = 0 / 0,
  ['an infinity'] = math.huge,
  ['minus infinity'] = -math.huge,
  ['a thread'] = coroutine.create(print),
  ['userdata'] = io.stdout,
  ['a function in a table'] = { { print } },
  ['a boolean for a key'] = { [true] = 1 },
  ['a table for a key'] = { [{}] = 1 },
  ['a key as number and text'] = { [3] = 1, ['3'] = 2 },
} do
  test.case('not to be sent: ' .. about, function()
    local seen = 0
    with({ see = function() seen = seen + 1 end }, function(rpc)
      test.raises('JSON has no', rpc.see, rpc, value)
      rpc:echo()
      test.equal(seen, 0)
    end)
  end)
end

-- -- Errors -----------------------------------------------------------------------------------------

for about, case in pairs {
  ['a text'] = { 'boom', 'boom' },
  ['a table'] = { { code = 7 }, '{"code":7}' },
  ['a number'] = { 7, '7' },
  ['nothing'] = { nil, 'null' },
} do
  test.case('a method that raises ' .. about .. ' raises in the caller', function()
    with({ f = function() error(case[1]) end }, function(rpc)
      local ok, problem = pcall(rpc.f, rpc)
      test.equal(ok, false)
      test.ok(problem:find(case[2], 1, true), problem)
    end)
  end)
end

test.case('an error object is sent as its text', function()
  local object = setmetatable({}, { __tostring = function() return 'I am the error' end })
  with({ f = function() error(object) end }, function(rpc)
    test.raises('I am the error', rpc.f, rpc)
  end)
end)

test.case('an unknown method is named', function()
  with({}, function(rpc)
    test.raises('nosuchmethod', rpc.nosuchmethod, rpc)
    test.equal(rpc:echo('goes on'), 'goes on')
  end)
end)

test.case('a result that cannot be sent is an error', function()
  with({}, function(rpc) test.raises('JSON has no values of type function', rpc.lua_function, rpc) end)
end)

test.case('a call with a dot is explained', function()
  with({}, function(rpc)
    test.raises('call it as rpc:echo', rpc.echo, 'x')
    test.raises('call it as rpc:echo', rpc.echo)
  end)
end)

test.case('methods of any name, also those of tables and text', function()
  with({ ['a b'] = function() return 1 end, __index = function() return 2 end, conn = function() return 3 end },
    function(rpc)
      test.equal(rpc['a b'](rpc), 1)
      test.equal(rpc.__index(rpc), 2)
      test.equal(rpc:conn(), 3)
    end)
end)

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
    local tcpsock = require 'coir.compat.vendetta.tcpsock'
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

-- -- The lines --------------------------------------------------------------------------------------

local function equal_json(text, expected)
  test.equal(wire.clean(wire.decode(text)), expected)
end

for request, answer in pairs {
  ['{"id":7,"method":"echo","params":["any",{"arguments":true},23894]}'] =
    { id = 7, result = { 'any', { arguments = true }, 23894 } },
  ['{"id":"a text","method":"count","params":[1,null,3]}'] = { id = 'a text', result = { 3 } },
  ['{"id":1.5,"method":"count"}'] = { id = 1.5, result = { 0 } },
  ['{"id":[1,{"a":2}],"method":"count","params":null}'] = { id = { 1, { a = 2 } }, result = { 0 } },
  [' { "id" : 1 , "method" : "count" , "params" : [ ] } \r'] = { id = 1, result = { 0 } },
  ['{"id":false,"method":"count","params":[]}'] = { id = false, result = { 0 } },
  ['{"id":1,"method":"count","params":{"a":1}}'] = { id = 1, error = 'params is no array' },
  ['{"id":1,"method":"count","params":"text"}'] = { id = 1, error = 'params is no array' },
  ['{"id":1,"method":"count","params":[],"more":1}'] = { id = 1, result = { 0 } },
} do
  test.case('the server answers ' .. request, function()
    with({}, function(_, port)
      local s = vendetta.plain(port)
      s:write(request .. '\n')
      equal_json(s:readline(nil, '\n', 10), answer)
      s:close()
    end)
  end)
end

test.case('the server ignores what is no request, and goes on', function()
  with({}, function(_, port)
    local s = vendetta.plain(port)
    local lines = vendetta.logged(function()
      for _, line in ipairs { '', 'hello', '[]', '7', 'null', '"text"', '{', '{}', '{"id":1}', '{"id":1,"method":7}',
        '{"id":1,"method":"echo","params":[]} {', ('['):rep(100000), '\0\255' } do
        s:write(line .. '\n')
      end
      s:write('{"id":2,"method":"echo","params":["only this"]}\n')
      equal_json(s:readline(nil, '\n', 10), { id = 2, result = { 'only this' } })
    end)
    test.equal(lines, {})
    s:close()
  end)
end)

test.case('a request without id, or with null, is done and not answered', function()
  local seen = {}
  with({ note = function(_, value) seen[#seen + 1] = value end }, function(rpc, port)
    local s = vendetta.plain(port)
    s:write('{"method":"note","params":[1]}\n{"id":null,"method":"note","params":[2]}\n')
    s:write('{"id":3,"method":"echo","params":[]}\n')
    equal_json(s:readline(nil, '\n', 10), { id = 3, result = {} })
    test.equal(seen, { 1, 2 })
    s:close()
    rpc:echo()
  end)
end)

test.case('an error in a request without id is logged', function()
  with({}, function(rpc, port)
    local s = vendetta.plain(port)
    local lines = vendetta.logged(function(lines)
      s:write('{"method":"fail","params":["unheard"]}\n')
      test.eventually(function() return lines[1] end)
    end)
    test.match(lines[1], '^ERROR .*unheard')
    s:close()
    rpc:echo()
  end)
end)

--- A client, and the plain socket that plays its server.
local function with_client(body)
  local listener, port = vendetta.plain_listener()
  local rpc = client.make_client('127.0.0.1', port)
  local s = listener:accept(10)
  body(rpc, s)
  client.close(rpc)
  s:close()
end

test.case('a request is one line of JSON, ids count from 1', function()
  with_client(function(rpc, s)
    for id = 1, 3 do
      local call = fiber.spawn(rpc.anymethod, rpc, 'any\n', { arguments = true }, 23894)
      local line = s:readline(nil, '\n', 10)
      equal_json(line, { id = id, method = 'anymethod', params = { 'any\n', { arguments = true }, 23894 } })
      s:write(('{"id":%d,"result":[]}\n'):format(id))
      test.equal({ call:join(10) }, { true })
    end
  end)
end)

test.case('no arguments are sent as []', function()
  with_client(function(rpc, s)
    fiber.new(pcall, rpc.f, rpc)
    test.match(s:readline(nil, '\n', 10), '"params":%[%]')
    fiber.new(pcall, rpc.f, rpc, {})
    test.match(s:readline(nil, '\n', 10), '"params":%[%[%]%]')
  end)
end)

for answer, expected in pairs {
  ['{"id":1,"result":["a",null,"c"]}'] = { n = 4, true, 'a', nil, 'c' },
  ['{"id":1,"result":[]}'] = { n = 1, true },
  ['{"id":1,"result":[],"error":null}'] = { n = 1, true },
  ['{"id":1,"result":"not in a list"}'] = { n = 2, true, 'not in a list' },
  ['{"id":1}'] = { n = 2, true, nil },
  ['{"id":1,"error":"text"}'] = { n = 2, false, 'text' },
  ['{"id":1,"error":{"code":7}}'] = { n = 2, false, '{"code":7}' },
  ['{"id":1,"error":false}'] = { n = 2, false, 'false' },
  ['{"id":1,"result":[1],"error":"both"}'] = { n = 2, false, 'both' },
} do
  test.case('the client takes ' .. answer, function()
    with_client(function(rpc, s)
      local call = fiber.spawn(rpc.f, rpc)
      s:readline(nil, '\n', 10)
      s:write(answer .. '\n')
      test.equal(table.pack(call:join(10)), expected)
    end)
  end)
end

test.case('the client ignores what is no answer to it, and repeated answers', function()
  with_client(function(rpc, s)
    local call = fiber.spawn(rpc.f, rpc)
    s:readline(nil, '\n', 10)
    local lines = vendetta.logged(function()
      s:write('\nhello\n[]\n{}\n7\n{"id":99,"result":[1]}\n{"id":"1","result":[2]}\n{"id":null,"result":[3]}\n')
      s:write('{"id":1,"result":["first"]}\n{"id":1,"result":["again"]}\n')
      test.equal({ call:join(10) }, { true, 'first' })
      local other = fiber.spawn(rpc.f, rpc)
      s:readline(nil, '\n', 10)
      s:write('{"id":2,"result":["second"]}\n')
      test.equal({ other:join(10) }, { true, 'second' })
    end)
    test.equal(lines, {})
  end)
end)

test.finish()
