-- vendetta_script_test.lua: the samples of Vendetta's page, and scripts as players wrote them, run by
-- `coir -l coir.compat.vendetta`.
--
-- The page has no whole program: it lists calls. Each is here as the page writes it, with what is added around it
-- marked `added`. `print` stands for what a plugin does with a result.
local here = arg[0]:match('^.*/') or './'
package.path = here .. '?.lua;' .. package.path
local vendetta = require 'vendetta'
local child = require 'child'
local compat = require 'coir.compat.vendetta'
local fiber = require 'fiber'
local test = require 'test'

--- Runs an old script to its end and checks what it writes.
local function check(script, out, err)
  local result = child.run(script, '-l', 'coir.compat.vendetta')
  test.equal(result.err, err or '')
  test.equal(result.out, out)
  test.equal({ result.how, result.code }, { 'exit', 0 })
end

-- -- The page ---------------------------------------------------------------------------------------

test.case("page: local sock = TCPSocket()", function()
  check([[
    local sock = TCPSocket()
    print(sock ~= nil)
  ]], 'true\n')
end)

test.case('page: success, error = sock:Connect(host, port), and the write callback when it fails', function()
  check(([[
    local sock = TCPSocket()
    local host, port = '127.0.0.1', %d            -- added: nobody listens there
    sock:SetWriteHandler(function()               -- added: the callback that the page describes
      local errmsg = sock:GetSocketError()
      print(errmsg)
    end)
    local success, error = sock:Connect(host, port) -- changed: local
    print(success, error)
  ]]):format(vendetta.dead_port()), '1\tnil\nConnection refused\n')
end)

test.case('page: Listen, SetConnectHandler, Accept, SetReadHandler, SetWriteHandler, Send, Recv, GetPeerName', function()
  check([[
    local sock = TCPSocket()
    local port = 0                                -- added: any free one
    local success, error = sock:Listen(port)      -- changed: local
    print(success, error)
    port = tonumber(sock:GetSockName():match('%d+$')) -- added: which one it is
    sock:SetConnectHandler(function()
      local newconn = sock:Accept()               -- changed: local
      newconn:SetReadHandler(function()
        local msg, errcode = newconn:Recv()       -- changed: local
        if msg then
          local nsent = newconn:Send('you said ' .. msg) -- changed: local
          print('sent', nsent)
        else
          print('over', errcode)
          newconn:Disconnect()
          sock:Disconnect()
        end
      end)
    end)

    local client = TCPSocket()                    -- added: somebody who connects
    client:Connect('127.0.0.1', port)
    client:SetWriteHandler(function()
      client:SetWriteHandler(nil)                 -- "Disables callback if fn is nil"
      local hostname = client:GetPeerName()       -- changed: local
      print(hostname == '127.0.0.1:' .. port)
      client:Send('hello')
    end)
    client:SetReadHandler(function()
      print(client:Recv())
      client:Disconnect()
    end)
  ]], '1\tnil\ntrue\nsent\t14\nyou said hello\nover\t0\n')
end)

test.case('page: RPCobject:anymethod("any", {arguments=true}, 23894)', function()
  check([[
    local server = require 'coir.compat.vendetta.server' -- added: the page's server.lua and client.lua
    local client = require 'coir.compat.vendetta.client'
    local listening = server.make_server(0, {
      anymethod = function(conn, a, b, c) return a, b.arguments, c + 1 end,
    })
    local RPCobject = client.make_client('127.0.0.1', tonumber(listening:GetSockName():match('%d+$')))
    coroutine.wrap(function()                     -- added: "block the current coroutine"
      print(RPCobject:anymethod("any", {arguments=true}, 23894))
      client.close(RPCobject)
      listening:Disconnect()
    end)()
    print('not blocked')
  ]], 'not blocked\nany\ttrue\t23895\n')
end)

-- -- doc/compat/vendetta.md -------------------------------------------------------------------------

test.case('doc/compat/vendetta.md: the programs of each pair do the same', function()
  local expected = {
    'hello Ada\n', 'hello Ada\n',
    'hello Ada\nhello Grace\nhello Mary\n', 'hello Ada\nhello Grace\nhello Mary\n',
    '1\n2\n3\n', '1\n2\n3\n',
  }
  local server = child.start([[
    local listener = socket('AF_INET', 'SOCK_STREAM')
    listener:bind('127.0.0.1', 0)
    listener:listen()
    print(listener:name().port)
    while true do
      local s = listener:accept()
      fiber.create(function() for name in s:lines() do s:write('hello ' .. name .. '\n') end end)
    end
  ]])
  local port = server:line()
  local file <close> = assert(io.open(here .. '../../doc/compat/vendetta.md'))
  local path, outputs = os.tmpname(), {}
  for program in file:read('a'):gmatch('\n```lua\n(.-)\n```\n') do
    local script <close> = assert(io.open(path, 'w'))
    script:write(program)
    script:flush()
    local result = child.words('-l', 'coir.compat.vendetta', path, port)
    outputs[#outputs + 1] = result.out .. result.err
  end
  os.remove(path)
  server:signal('KILL')
  server:wait()
  test.equal(outputs, expected)
end)

-- -- In the manner of plugins -----------------------------------------------------------------------

test.case('a plugin with a line protocol, in Lua 5.1', function()
  check([[
    local port
    server = TCP.make_server(0, function(conn, err)
      conn.words = {}
    end, function(conn, line)
      table.insert(conn.words, line)
      if table.getn(conn.words) == 3 then conn:Send(table.concat(conn.words, ' ') .. '\n') end
    end, function(conn)
      console_print('gone: ' .. #conn.words)
      server:Disconnect()
    end)
    port = server:GetSockName():gsub('^.*:', '')  -- text, as settings come

    connection = TCP.make_client('127.0.0.1', port, function(conn, err)
      if not conn then log.error('cannot connect: ' .. err) return end
      for word in string.gfind('one two three', '%a+') do conn:Send(word .. '\n') end
    end, function(conn, line)
      console_print('got: ' .. line)
      conn.tcp:Disconnect()
    end, function() log.error('never') end)
  ]], 'got: one two three\ngone: 3\n')
end)

test.case('a plugin that queues its output and sends a line for each write callback', function()
  check([[
    local queue = { 'one\n', 'two\n', 'three\n' }
    local server, got = TCPSocket(), ''
    assert(server:Listen(0))
    server:SetConnectHandler(function()
      local peer = server:Accept()
      peer:SetReadHandler(function()
        local msg, err = peer:Recv()
        if msg then got = got .. msg return end
        if err then
          peer:Disconnect()
          server:Disconnect()
          io.write(got)
        end
      end)
    end)
    local sock = TCPSocket()
    sock:SetWriteHandler(function()
      if not sock:GetPeerName() then print('failed', sock:GetSocketError()) return end
      local line = table.remove(queue, 1)
      if line then sock:Send(line) else sock:Disconnect() end
    end)
    sock:Connect('localhost', (server:GetSockName():match('%d+$')))
  ]], 'one\ntwo\nthree\n')
end)

test.case('a plugin that polls with a Timer', function()
  check([[
    local timer, n = Timer(), 0
    print(timer:IsActive())
    timer:SetTimeout(1, function()
      n = n + 1
      if n < 3 then timer:SetTimeout(1) else print('done', n, timer:IsActive()) end
    end)
    print(timer:IsActive())
  ]], 'false\ntrue\ndone\t3\tfalse\n')
end)

test.case('log.error goes to standard error, and takes anything', function()
  check([[ log.error('a', 1.0, nil, true, {} ~= nil) ]], '', 'ERROR a1(null)(true)(true)\n')
end)

test.case('json.encode and json.decode', function()
  check([[
    print(json.encode({1, 2, {a = 'b'}}), json.encode({}), json.encode('x'), json.encode(1))
    print(json.decode('[1,2.5,"x",null,true]')[3], json.decode('{"a":{"b":9007199254740993}}').a.b)
    print(pcall(json.decode, '[1'))
    print(pcall(json.encode, print))
  ]], '[1,2,{"a":"b"}]\t[]\t"x"\t1\nx\t9007199254740993\nfalse\tthis is no JSON\nfalse\tJSON has no values of type function\n')
end)

test.case('an error in a handler is written with its traceback, and the script goes on', function()
  local result = child.run([[
    Timer():SetTimeout(0, function() error('in a timer') end)
    Timer():SetTimeout(5, function() print('goes on') end)
  ]], '-l', 'coir.compat.vendetta')
  test.match(result.err, '^ERROR .*in a timer\nstack traceback:')
  test.equal(result.out, 'goes on\n')
end)

test.case('a script ends when it listens to nothing and waits for nothing', function()
  check([[
    local a, b = TCPSocket(), TCPSocket()
    a:Listen(0)
    b:Connect('127.0.0.1', (a:GetSockName():match('%d+$')))
    Timer():SetTimeout(10, function() a:Disconnect() b:Disconnect() print('the end') end)
  ]], 'the end\n')
end)

-- -- The module -------------------------------------------------------------------------------------

test.case('requiring the module changes no global; install puts the names into a table', function()
  for _, name in ipairs { 'TCPSocket', 'TCP', 'Timer', 'log', 'console_print', 'json', 'unpack' } do
    test.equal(rawget(_G, name), nil)
  end
  local env = {}
  compat.install(env)
  test.ok(env.TCPSocket == compat.TCPSocket)
  test.ok(env.TCP == require 'coir.compat.vendetta.tcpsock')
  test.ok(env.Timer and env.log.error and env.console_print and env.json.encode and env.unpack)
  test.equal(rawget(_G, 'TCP'), nil)
end)

test.case('the layers and the loggers are fields of the module', function()
  for _, name in ipairs { 'tcpsock', 'client', 'server', 'dbclient', 'dbserver' } do
    test.ok(compat[name] == require('coir.compat.vendetta.' .. name))
  end
  for _, name in ipairs { 'FATAL', 'CRITIC', 'ERROR', 'WARN', 'NOTE', 'INFO', 'DEBUG', 'TRACE' } do
    test.equal(type(compat[name]), 'function')
  end
  test.equal(compat.nonsense, nil)
end)

-- -- Timers -----------------------------------------------------------------------------------------

test.case('Kill gives a timer up, also inside its own function, and may be repeated', function()
  local timer, told = compat.Timer(), fiber.channel(1)
  timer:SetTimeout(0, function() error('killed too late') end)
  timer:Kill()
  timer:Kill()
  test.equal(vendetta.logged(test.settle), {})
  timer:SetTimeout(0, function(self)
    self:Kill()
    told:put(self == timer)
  end)
  test.equal(told:get(10), true)
end)

test.case('SetTimeout again replaces what was set', function()
  local timer, told = compat.Timer(), fiber.channel(2)
  timer:SetTimeout(0, function() told:put('first') end)
  timer:SetTimeout(1, function() told:put('second') end)
  test.equal(told:get(10), 'second')
  test.equal(told:count(), 0)
  timer:SetTimeout(0)
  test.equal(told:get(10), 'second')
  timer:SetTimeout(0, function() fiber.yield() told:put('waits') end)
  test.equal(told:get(10), 'waits')
end)

test.case('SetTimeout without a function raises', function()
  test.raises('there is no function', function() compat.Timer():SetTimeout(1) end)
end)

test.finish()
