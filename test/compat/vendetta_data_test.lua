-- vendetta_data_test.lua: reading and writing with the class TCPSocket.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local vendetta = require 'vendetta'
local errno = require 'errno'
local fiber = require 'fiber'
local test = require 'test'

local TCPSocket = require('coir.compat.vendetta').TCPSocket

-- -- Reading ----------------------------------------------------------------------------------------

test.case('Recv returns everything that has come; then nil, nil', function()
  local tcp, other = vendetta.pair()
  test.equal(table.pack(tcp:Recv()), { n = 2, nil, nil })
  other:write('one')
  other:write('two')
  local data
  test.eventually(function() data = tcp:Recv() return data end)
  test.match(data, '^one')
  tcp:Disconnect()
end)

test.case('Recv returns more than one kernel read at once', function()
  local tcp, other = vendetta.pair()
  other:write(('x'):rep(200000))
  local total, largest = 0, 0
  test.eventually(function()
    local data = tcp:Recv()
    if data then total, largest = total + #data, math.max(largest, #data) end
    return total == 200000
  end)
  test.equal(tcp:Recv(), nil)
  test.ok(largest > 16384)
end)

test.case('Recv at the end of the stream: what came before it, then nil and 0, again and again', function()
  local tcp, other = vendetta.pair()
  local told = fiber.channel(100)
  tcp:SetReadHandler(function()
    told:put(table.pack(tcp:Recv()))
    if told:count() > 3 then tcp:Disconnect() end
  end)
  other:write('last')
  other:close()
  local first = told:get(10)
  test.equal(first[1], 'last')
  test.equal(told:get(10), { n = 2, nil, 0 })
  test.equal(told:get(10), { n = 2, nil, 0 })
end)

test.case('Recv after a reset returns the error number', function()
  local tcp, other = vendetta.pair()
  vendetta.reset(other)
  local data, code
  test.eventually(function() data, code = tcp:Recv() return code end)
  test.equal({ data, code }, { nil, errno.ECONNRESET })
  test.equal(tcp:GetSocketError(), 'Connection reset by peer')
  test.equal(tcp:GetSocketError(), 'Connection reset by peer')
  tcp:Disconnect()
  test.equal(tcp:GetSocketError(), nil)
end)

test.case('GetSocketError does not take the error from Recv', function()
  local tcp, other = vendetta.pair()
  vendetta.reset(other)
  test.eventually(function() return tcp:GetSocketError() end)
  test.equal(table.pack(tcp:Recv()), { n = 2, nil, errno.ECONNRESET })
end)

test.case('Recv of what is not connected returns nil and a number', function()
  test.equal(table.pack(TCPSocket():Recv()), { n = 2, nil, errno.ENOTCONN })
  local listening = vendetta.listener()
  test.equal(table.pack(listening:Recv()), { n = 2, nil, errno.ENOTCONN })
  listening:Disconnect()
  local tcp = vendetta.pair()
  tcp:Disconnect()
  test.equal(table.pack(tcp:Recv()), { n = 2, nil, errno.ENOTCONN })
end)

test.case('the read handler is called while data waits that it does not take', function()
  local tcp, other = vendetta.pair()
  local calls, told = 0, fiber.channel(10)
  tcp:SetReadHandler(function()
    calls = calls + 1
    if calls == 5 then told:put(tcp:Recv()) end
  end)
  other:write('data')
  test.equal(told:get(10), 'data')
  test.settle()
  test.equal(calls, 5)
end)

test.case('data waits while there is no read handler', function()
  local tcp, other = vendetta.pair()
  local told = fiber.channel(10)
  local function handler() told:put(tcp:Recv()) end
  tcp:SetReadHandler(handler)
  tcp:SetReadHandler(nil)
  other:write('data')
  test.equal(told:get(0.02), nil)
  tcp:SetReadHandler(handler)
  test.equal(told:get(10), 'data')
  tcp:SetReadHandler(nil)
  tcp:SetReadHandler(handler)
  other:write('more')
  test.equal(told:get(10), 'more')
end)

test.case('handlers may be replaced from inside themselves', function()
  local tcp, other = vendetta.pair()
  local told = fiber.channel(10)
  tcp:SetReadHandler(function()
    local first = tcp:Recv()
    tcp:SetReadHandler(function() told:put(first .. ' ' .. tcp:Recv()) end)
    told:put('first')
  end)
  other:write('a')
  test.equal(told:get(10), 'first')
  other:write('b')
  test.equal(told:get(10), 'a b')
end)

test.case('the handlers of one socket run one at a time, those of two sockets do not wait for each other', function()
  local slow, slow_other = vendetta.pair()
  local quick, quick_other = vendetta.pair()
  local order, told, go = {}, fiber.channel(10), fiber.cond()
  slow:SetReadHandler(function()
    order[#order + 1] = 'read begins'
    slow:Recv()
    slow:SetWriteHandler(function()
      slow:SetWriteHandler(nil)
      order[#order + 1] = 'write'
      told:put(true)
    end)
    go:wait(10)
    order[#order + 1] = 'read ends'
  end)
  quick:SetReadHandler(function()
    order[#order + 1] = quick:Recv()
    go:signal()
  end)
  slow_other:write('x')
  test.eventually(function() return order[1] end)
  quick_other:write('quick')
  test.ok(told:get(10))
  test.equal(order, { 'read begins', 'quick', 'read ends', 'write' })
end)

test.case('an error in a handler is logged with a traceback, and the connection goes on', function()
  local tcp, other = vendetta.pair()
  local told = fiber.channel(10)
  tcp:SetReadHandler(function()
    told:put(tcp:Recv())
    error('in the handler')
  end)
  local lines = vendetta.logged(function()
    for _, text in ipairs { 'one', 'two' } do
      other:write(text)
      test.equal(told:get(10), text)
    end
    test.settle()
  end)
  test.equal(#lines, 2)
  test.match(lines[1], '^ERROR .*in the handler\nstack traceback:')
end)

test.case('an error that is a table, or nil, is logged, too', function()
  for _, problem in ipairs { setmetatable({}, { __tostring = function() return 'an object' end }), {}, false } do
    local tcp, other = vendetta.pair()
    tcp:SetReadHandler(function()
      tcp:Recv()
      error(problem or nil)
    end)
    local lines = vendetta.logged(function(lines)
      other:write('x')
      test.eventually(function() return lines[1] end)
    end)
    test.match(lines[1], '^ERROR ')
    tcp:Disconnect()
  end
end)

-- -- Writing ----------------------------------------------------------------------------------------

test.case('the write handler is called again and again while there is room', function()
  local tcp, other = vendetta.pair()
  local n = 0
  tcp:SetWriteHandler(function()
    n = n + 1
    tcp:Send(n .. '\n')
    if n == 20 then tcp:SetWriteHandler(nil) end
  end)
  for i = 1, 20 do test.equal(other:readline(nil, '\n', 10), i .. '\n') end
end)

test.case('Send returns how many bytes went, and -1 when there is no room', function()
  local tcp, other = vendetta.pair()
  test.equal(tcp:Send('12345'), 5)
  test.equal(tcp:Send(''), 0)
  test.equal(tcp:Send(12), 2)
  local data, sent, short = ('x'):rep(1 << 20), 7, false
  while true do
    local n = tcp:Send(data)
    if n < 0 then break end
    test.ok(n > 0)
    short = short or n < #data
    sent = sent + n
  end
  test.ok(short)
  test.equal(tcp:Send('more'), -1)
  test.equal(tcp:GetSocketError(), nil)
  local room = fiber.cond()
  tcp:SetWriteHandler(function()
    tcp:SetWriteHandler(nil)
    room:signal()
  end)
  test.equal(room:wait(0.02), false)
  local reader = fiber.spawn(other.read, other, sent, 15)
  test.ok(room:wait(10))
  local _, got = reader:join()
  test.equal(#got, sent)
end)

test.case('Send never raises: it returns -1 for what is no string and without a connection', function()
  local tcp = vendetta.pair()
  for _, value in ipairs { {}, true, print } do test.equal(tcp:Send(value), -1) end
  test.equal(tcp:Send(), -1)
  tcp:Disconnect()
  test.equal(tcp:Send('x'), -1)
  test.equal(TCPSocket():Send('x'), -1)
  local listening = vendetta.listener()
  test.equal(listening:Send('x'), -1)
  listening:Disconnect()
end)

test.case('Send returns -1 once the peer has reset, and GetSocketError says why', function()
  local tcp, other = vendetta.pair()
  vendetta.reset(other)
  test.eventually(function() return tcp:Send('x') == -1 end)
  test.ok(tcp:GetSocketError())
end)

test.case('what is sent before Disconnect arrives', function()
  local tcp, other = vendetta.pair()
  tcp:Send('goodbye')
  tcp:Disconnect()
  test.equal(other:read(), 'goodbye')
end)

test.finish()
