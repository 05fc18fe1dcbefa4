/**
 * What stands for a letter wherever texts are compared, beyond small letters and NFKD: from Unicode's
 * names and CLDR's Latin-ASCII, as the server's `unicode_tables` has it.
 */

const LETTERS =
  "ðøđħıĸłŋŧƀɓƃƈɖɗƌƒɠɨƙƚɲƞɵƥƫƭʈʋƴƶǥȡȥȴȵȶȷⱥȼⱦȿɀɇɉɋɍɏɕɦɫɬɭɱɳɼɽɾʂʐʑʝʠʹʻʼςةىٱکیەᲀᲁᲂᲃᲄᲅᲆᲇᲈᵬᵭᵮᵯᵰᵱᵲᵳᵴᵵᵶᵽᶀᶁᶂᶃᶄᶅᶆᶇᶈᶉᶊᶌᶍᶎᶏᶑᶒᶖᶙỿ‐‘’‛ⱡⱨⱪⱬⱱⱳⱴⱸⱺꝁꝃꝅꝉꝋꝍꝑꝓꝕꝗꝙꝟꞌꞎꞑꞓꞔꞕꞗꞙꞡꞣꞥꞧꞩꞹꟈꟊꬴꬷꬸꬹꬺꬻꭉꭎꭒꭖꭗꭘꭙꭚ𝼉𝼑𝼓𝼖𝼚𝼛𝼝𝼞";
const THEIR =
  "dodhiqlntbbbcdddfgiklnnoptttvyzgdzlntjactszejqrychlllmnrrrszzjq'''σهياكيهвдосттъѣꙋbdfmnprrstzpbdfgklmnprsvxzadeiuy-'''lhkzvwveokkkloopppqqv'lncchbfgknrsudselllmnruuxxxxytllriocs";
/** Letters that two stand for, each before these. */
const SPELT_OUT =
  "æaeþthßssœoeƕhvƣoiȣouᵫueᵺthꜩtzꜳaaꜵaoꜷauꜹavꜻavꜽayꝏooꝡvyꝫetꝭisꝸumꭐuiꭣuo";

export const PLAIN: ReadonlyMap<string, string> = new Map([
  ...[...LETTERS].map((letter, place): [string, string] => [letter, [...THEIR][place]!]),
  ...SPELT_OUT.match(/.../gu)!.map((three): [string, string] => [three[0]!, three.slice(1)]),
]);
