--- message.lua: DNS messages for the tests (RFC 1035), good ones and others.
local message = {}

message.types = { A = 1, NS = 2, CNAME = 5, SOA = 6, TXT = 16, AAAA = 28 }
local codes = { NOERROR = 0, FORMERR = 1, SERVFAIL = 2, NXDOMAIN = 3, NOTIMP = 4, REFUSED = 5 }

--- A name as it stands in a message.
function message.name(text)
  local labels = {}
  for label in text:gmatch('[^.]+') do labels[#labels + 1] = string.pack('s1', label) end
  return table.concat(labels) .. '\0'
end

--- One record.
function message.record(name, type, ttl, data)
  return message.name(name) .. string.pack('>I2I2I4s2', message.types[type], 1, ttl, data)
end

function message.a(name, ttl, address)
  local bytes = {}
  for byte in address:gmatch('%d+') do bytes[#bytes + 1] = string.char(byte) end
  return message.record(name, 'A', ttl, table.concat(bytes))
end

--- The start of authority, which says for how long a refusal may be kept.
function message.soa(name, minimum)
  local names = message.name('ns.' .. name) .. message.name('admin.' .. name)
  local numbers = string.pack('>I4I4I4I4I4', 1, 3600, 600, 86400, minimum)
  return message.record(name, 'SOA', 300, names .. numbers)
end

--- What a query asks: {id =, name =, type =, question =}, where `question` are the bytes.
function message.read(data)
  local place, labels = 13, {}
  while data:byte(place) ~= 0 do
    local label
    label, place = string.unpack('s1', data, place)
    labels[#labels + 1] = label
  end
  local number = string.unpack('>I2', data, place + 1)
  local type
  for name, known in pairs(message.types) do
    if known == number then type = name end
  end
  return { id = string.unpack('>I2', data), name = table.concat(labels, '.'), type = type or number,
    question = data:sub(13, place + 4) }
end

--- An answer to a query. `options`: answers and authority (lists of records), code, truncated, id,
--- question.
function message.answer(query, options)
  local answers, authority = options.answers or {}, options.authority or {}
  local flags = 0x8180 | codes[options.code or 'NOERROR'] | (options.truncated and 0x0200 or 0)
  return string.pack('>I2I2I2I2I2I2', options.id or query.id, flags, 1, #answers, #authority, 0)
    .. (options.question or query.question) .. table.concat(answers) .. table.concat(authority)
end

return message
