-- vendetta_wire_test.lua: the lines that remote calls are made of.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local vendetta = require 'vendetta'
local client = require 'coir.compat.vendetta.client'
local wire = require 'coir.compat.vendetta.wire'
local fiber = require 'fiber'
local remote = require 'remote'
local test = require 'test'

local with = remote.with

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
