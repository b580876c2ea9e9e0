-- vendetta_lines_test.lua: the line layer.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local vendetta = require 'vendetta'
local compat = require 'coir.compat.vendetta'
local fiber = require 'fiber'
local test = require 'test'

local TCP = compat.tcpsock

--- A server that tells of everything in a channel: {'conn', conn, err}, {'line', conn, text}, {'end', conn}.
local function server(on_line)
  local told = fiber.channel(10000)
  local listening = TCP.make_server(0,
    function(conn, err) told:put { 'conn', conn, err } end,
    function(conn, line)
      told:put { 'line', conn, line }
      if on_line then on_line(conn, line) end
    end,
    function(conn) told:put { 'end', conn } end)
  return listening, vendetta.port(listening), told
end

--- The next thing told, as kind and last value.
local function following(told)
  local event = test.ok(told:get(10), 'nothing is told')
  return event[1], event[3]
end

test.case('a client and a server talk in lines', function()
  local listening, port = server(function(conn, line) conn:Send(line:upper() .. '\n') end)
  local told = fiber.channel(100)
  local conn
  conn = TCP.make_client('127.0.0.1', port,
    function(self, err)
      told:put { 'conn', self == conn, err }
      self:Send('hello\n')
    end,
    function(self, line) told:put { 'line', self == conn, line } end)
  test.equal(told:get(10), { 'conn', true, nil })
  test.equal(told:get(10), { 'line', true, 'HELLO' })
  conn.tcp:Disconnect()
  listening:Disconnect()
end)

for about, case in pairs {
  ['one line'] = { { 'one\n' }, { 'one' } },
  ['an empty line'] = { { '\n' }, { '' } },
  ['empty lines'] = { { '\n\n\n' }, { '', '', '' } },
  ['a carriage return'] = { { 'one\r\n' }, { 'one\r' } },
  ['a line in pieces'] = { { 'o', 'n', 'e', '\n' }, { 'one' } },
  ['a newline of its own'] = { { 'one', '\n', '\n' }, { 'one', '' } },
  ['many in one piece'] = { { 'a\nb\nc\nd\n' }, { 'a', 'b', 'c', 'd' } },
  ['an end and a beginning in one piece'] = { { 'a\nb', 'c\nd\n' }, { 'a', 'bc', 'd' } },
  ['all bytes but the newline'] = {
    { (('\0\1\2\127\128\255'):rep(3)) .. '\n' }, { (('\0\1\2\127\128\255'):rep(3)) } },
  ['an unfinished tail, which is dropped'] = { { 'a\ntail' }, { 'a' } },
  ['nothing'] = { {}, {} },
} do
  test.case('lines: ' .. about, function()
    local listening, port, told = server()
    local s = vendetta.plain(port)
    for _, piece in ipairs(case[1]) do
      s:write(piece)
      fiber.yield()
    end
    s:close()
    test.equal(following(told), 'conn')
    for _, line in ipairs(case[2]) do test.equal({ following(told) }, { 'line', line }) end
    test.equal(following(told), 'end')
    listening:Disconnect()
  end)
end

test.case('a line of ten megabytes', function()
  local listening, port, told = server()
  local s = vendetta.plain(port)
  local line = ('0123456789'):rep(1 << 20)
  fiber.new(s.write, s, line .. '\n')
  test.equal(following(told), 'conn')
  local kind, got = following(told)
  test.ok(kind == 'line' and got == line)
  s:close()
  listening:Disconnect()
end)

test.case('Send queues what the kernel does not take, and keeps the order', function()
  local listening, port, told = server()
  local s = vendetta.plain(port)
  local conn = told:get(10)[2]
  local parts = {}
  for i = 1, 300 do
    parts[i] = ('%d:'):format(i) .. ('x'):rep(i * 100) .. '\n'
    test.equal(select('#', conn:Send(parts[i])), 0)
  end
  local wanted = table.concat(parts)
  conn:Send(('y'):rep(3 << 20))
  conn:Send('end')
  test.ok(s:read(#wanted, 10) == wanted)
  test.ok(s:read((3 << 20) + 3, 10) == ('y'):rep(3 << 20) .. 'end')
  s:close()
  listening:Disconnect()
end)

test.case('Send before the connection stands is kept, and conn_handler is called all the same', function()
  local listening, port, told = server()
  local stands = fiber.channel(1)
  local conn = TCP.make_client('127.0.0.1', port, function() stands:put(true) end)
  conn:Send('early\n')
  conn:Send('bird\n')
  test.ok(stands:get(10))
  test.equal(following(told), 'conn')
  test.equal({ following(told) }, { 'line', 'early' })
  test.equal({ following(told) }, { 'line', 'bird' })
  conn.tcp:Disconnect()
  listening:Disconnect()
end)

test.case('Send takes numbers, and empty texts', function()
  local listening, port, told = server()
  local s = vendetta.plain(port)
  local conn = told:get(10)[2]
  conn:Send('')
  conn:Send(12)
  conn:Send('')
  conn:Send('\n')
  test.equal(s:readline(nil, '\n', 10), '12\n')
  s:close()
  listening:Disconnect()
end)

test.case('Send after the end is dropped', function()
  local listening, port, told = server()
  local s = vendetta.plain(port)
  local conn = told:get(10)[2]
  conn.tcp:Disconnect()
  conn:Send('nobody hears this')
  test.equal(s:read(), '')
  listening:Disconnect()
end)

test.case('a refused connection: conn_handler gets nil and the message, and the socket is closed', function()
  local told = fiber.channel(10)
  local conn
  conn = TCP.make_client('127.0.0.1', vendetta.dead_port(),
    function(...) told:put(table.pack(...)) end,
    function() told:put('line') end,
    function() told:put('end') end)
  conn:Send('lost')
  test.equal(told:get(10), { n = 2, nil, 'Connection refused' })
  test.settle()
  test.equal(told:count(), 0)
  test.equal(conn.tcp:GetPeerName(), nil)
end)

test.case('connecting that fails at once: make_client returns what conn_handler returns', function()
  local result, second = TCP.make_client('127.0.0.1', 'no port', function(conn, err)
    test.equal(conn, nil)
    test.match(err, 'port')
    return 'from the handler', 2
  end)
  test.equal({ result, second }, { 'from the handler', 2 })
  test.equal(TCP.make_client('127.0.0.1', 'no port'), nil)
end)

test.case('make_server returns the listening TCPSocket, and raises when it cannot listen', function()
  local listening, port = server()
  test.raises('Address already in use', TCP.make_server, port)
  test.equal(listening:Accept(), nil)
  listening:Disconnect()
  local again = TCP.make_server(port)
  again:Disconnect()
end)

test.case('disconn_handler is called once when the peer ends, with the socket closed', function()
  local listening, port, told = server()
  local s = vendetta.plain(port)
  local conn = told:get(10)[2]
  s:close()
  local event = told:get(10)
  test.equal({ event[1], event[2] == conn }, { 'end', true })
  test.equal(conn.tcp:GetPeerName(), nil)
  test.settle()
  test.equal(told:count(), 0)
  listening:Disconnect()
end)

test.case('disconn_handler is called when the peer resets', function()
  local listening, port, told = server()
  local s = vendetta.plain(port)
  test.equal(following(told), 'conn')
  vendetta.reset(s)
  test.equal(following(told), 'end')
  listening:Disconnect()
end)

test.case("disconn_handler is not called after the script's own Disconnect", function()
  local listening, port, told = server()
  local s = vendetta.plain(port)
  local conn = told:get(10)[2]
  s:write('unread\n')
  conn.tcp:Disconnect()
  s:close()
  test.settle()
  test.equal(told:count(), 0)
  listening:Disconnect()
end)

test.case('Disconnect in a line handler: the lines after it are not delivered', function()
  local listening, port, told = server(function(conn, line)
    if line == 'stop' then conn.tcp:Disconnect() end
  end)
  local s = vendetta.plain(port)
  s:write('one\nstop\ntwo\n')
  test.equal(following(told), 'conn')
  test.equal({ following(told) }, { 'line', 'one' })
  test.equal({ following(told) }, { 'line', 'stop' })
  test.settle()
  test.equal(told:count(), 0)
  s:close()
  listening:Disconnect()
end)

test.case('an error in a line handler is logged, and the rest of the buffer goes on', function()
  local listening, port, told = server(function(_, line) if line == 'bad' then error('bad line') end end)
  local s = vendetta.plain(port)
  local lines = vendetta.logged(function()
    s:write('one\nbad\ntwo\n')
    test.equal(following(told), 'conn')
    for _, line in ipairs { 'one', 'bad', 'two' } do test.equal({ following(told) }, { 'line', line }) end
  end)
  test.equal(#lines, 1)
  test.match(lines[1], '^ERROR .*bad line')
  s:close()
  listening:Disconnect()
end)

test.case('an error in conn_handler is logged, and lines come', function()
  local told = fiber.channel(10)
  local listening = TCP.make_server(0, function() error('at the beginning') end,
    function(_, line) told:put(line) end, function()
      told:put('end')
      error('at the end')
    end)
  local lines = vendetta.logged(function(lines)
    local s = vendetta.plain(vendetta.port(listening))
    s:write('line\n')
    test.equal(told:get(10), 'line')
    s:close()
    test.equal(told:get(10), 'end')
    test.eventually(function() return #lines == 2 end)
  end)
  test.match(lines[1], 'at the beginning')
  test.match(lines[2], 'at the end')
  listening:Disconnect()
end)

test.case('all handlers may be missing', function()
  local listening = TCP.make_server(0)
  local port = vendetta.port(listening)
  local conn = TCP.make_client('127.0.0.1', port)
  conn:Send('line\n')
  test.eventually(function() return conn.tcp:GetPeerName() end)
  local s = vendetta.plain(port)
  s:write('line\n')
  s:close()
  conn.tcp:Disconnect()
  TCP.make_client('127.0.0.1', vendetta.dead_port())
  test.equal(vendetta.logged(test.settle), {})
  listening:Disconnect()
end)

test.case('a line handler that waits keeps its own connection, in order, and no other', function()
  local go = fiber.cond()
  local listening, port, told = server(function(_, line) if line == 'wait' then go:wait(10) end end)
  local slow = vendetta.plain(port)
  slow:write('wait\nafter\n')
  test.equal(following(told), 'conn')
  test.equal({ following(told) }, { 'line', 'wait' })
  local quick = vendetta.plain(port)
  quick:write('quick\n')
  test.equal(following(told), 'conn')
  test.equal({ following(told) }, { 'line', 'quick' })
  slow:write('later\n')
  test.settle()
  test.equal(told:count(), 0)
  go:signal()
  test.equal({ following(told) }, { 'line', 'after' })
  test.equal({ following(told) }, { 'line', 'later' })
  listening:Disconnect()
end)

test.case('conn_handler that waits comes before the lines', function()
  local order, told = {}, fiber.channel(10)
  local listening = TCP.make_server(0, function()
    fiber.yield()
    order[#order + 1] = 'conn'
  end, function(_, line)
    order[#order + 1] = line
    told:put(true)
  end)
  local s = vendetta.plain(vendetta.port(listening))
  s:write('line\n')
  test.ok(told:get(10))
  test.equal(order, { 'conn', 'line' })
  s:close()
  listening:Disconnect()
end)

test.case('conns take fields of the script', function()
  local listening, port, told = server(function(conn) conn.count = (conn.count or 0) + 1 end)
  local s = vendetta.plain(port)
  s:write('a\nb\n')
  local conn = told:get(10)[2]
  test.eventually(function() return conn.count == 2 end)
  s:close()
  listening:Disconnect()
end)

test.case('stopping the server leaves its connections alone', function()
  local listening, port, told = server(function(conn, line) conn:Send(line .. '\n') end)
  local s = vendetta.plain(port)
  test.equal(following(told), 'conn')
  listening:Disconnect()
  s:write('still\n')
  test.equal(s:readline(nil, '\n', 10), 'still\n')
  s:close()
end)

test.finish()
