--- coir.compat.cumulus.message: a mail as text (RFC 5322, 2045, 2047).
local ltn12 = require 'ltn12'
local mime = require 'mime'

local message = {}

--- `a@b` of `a@b`, `<a@b>` and `Name <a@b>`.
--- @return string? address
--- @return string? problem
function message.address(text)
  if type(text) ~= 'string' then return nil, 'an address must be a string, not ' .. type(text) end
  if text:find '[%c]' then
    return nil, ('line breaks or control characters in the address %q'):format(text)
  end
  local address = text:match '<([^<>]+)>%s*$' or text:match '^%s*([^<>]-)%s*$'
  if not address or address == '' then return nil, ('%q is no address'):format(text) end
  return address
end

local function charset(text) return utf8.len(text) and 'utf-8' or 'iso-8859-1' end

--- Pieces of at most 42 bytes, which end between characters.
local function pieces(text)
  local list, from = {}, 1
  while from <= #text do
    local to = math.min(from + 41, #text)
    while to < #text and to > from + 38 and text:find('^[\x80-\xbf]', to + 1) do to = to - 1 end
    list[#list + 1] = text:sub(from, to)
    from = to + 1
  end
  return list
end

--- A header's text: as it is, or as encoded-words when it is not plain or too long for a line.
function message.words(text)
  text = text:gsub('[%c]+', ' ')
  local plain = not text:find '[\x80-\xff]' and not text:find('=?', 1, true)
  if plain and #text < 900 then return text end
  local words, set = pieces(text), charset(text)
  for i, piece in ipairs(words) do words[i] = ('=?%s?B?%s?='):format(set, (mime.b64(piece))) end
  return table.concat(words, '\r\n ')
end

--- The sender as a header: a name before `<...>` is encoded, if need be.
local function from_header(sender, address)
  local name = sender:match '^%s*(.-)%s*<[^<>]+>%s*$'
  if not name then return address end
  return (name == '' and '' or message.words(name) .. ' ') .. '<' .. address .. '>'
end

local function quoted_printable(text)
  local parts = {}
  ltn12.pump.all(
    ltn12.source.chain(ltn12.source.string(text),
      ltn12.filter.chain(mime.normalize(), mime.encode 'quoted-printable',
        mime.wrap 'quoted-printable')),
    (ltn12.sink.table(parts)))
  return table.concat(parts)
end

--- The whole message, with CRLF lines, before dot-stuffing.
--- @param mail table `sender`, `from` (its address), `subject`, `content`, `to` (addresses)
--- @return string
function message.text(mail)
  return table.concat({
    os.date '!Date: %a, %d %b %Y %H:%M:%S +0000',
    'From: ' .. from_header(mail.sender, mail.from),
    'To: <' .. table.concat(mail.to, '>,\r\n <') .. '>',
    'Subject: ' .. message.words(mail.subject),
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=' .. charset(mail.content),
    'Content-Transfer-Encoding: quoted-printable',
    '',
    quoted_printable(mail.content),
  }, '\r\n')
end

return message
