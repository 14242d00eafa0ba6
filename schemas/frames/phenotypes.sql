-- Columns of the suite phenotypes: those of its source, and these.

-- name: source
(SELECT eid, instance,
    max("value") FILTER (field_id = 24100) AS field_24100,
    max("value") FILTER (field_id = 24101) AS field_24101,
    max("value") FILTER (field_id = 24102) AS field_24102,
    max("value") FILTER (field_id = 24103) AS field_24103,
    max("value") FILTER (field_id = 24104) AS field_24104,
    max("value") FILTER (field_id = 24105) AS field_24105,
    max("value") FILTER (field_id = 24106) AS field_24106,
    max("value") FILTER (field_id = 24107) AS field_24107,
    max("value") FILTER (field_id = 24108) AS field_24108,
    max("value") FILTER (field_id = 24109) AS field_24109,
    max("value") FILTER (field_id = 24110) AS field_24110,
    max("value") FILTER (field_id = 24111) AS field_24111,
    max("value") FILTER (field_id = 24112) AS field_24112,
    max("value") FILTER (field_id = 24113) AS field_24113,
    max("value") FILTER (field_id = 24114) AS field_24114,
    max("value") FILTER (field_id = 24115) AS field_24115,
    max("value") FILTER (field_id = 24116) AS field_24116,
    max("value") FILTER (field_id = 24117) AS field_24117,
    max("value") FILTER (field_id = 24118) AS field_24118,
    max("value") FILTER (field_id = 24119) AS field_24119,
    max("value") FILTER (field_id = 24120) AS field_24120,
    max("value") FILTER (field_id = 24121) AS field_24121,
    max("value") FILTER (field_id = 24122) AS field_24122,
    max("value") FILTER (field_id = 24123) AS field_24123,
    max("value") FILTER (field_id = 24124) AS field_24124,
    max("value") FILTER (field_id = 24125) AS field_24125,
    max("value") FILTER (field_id = 24126) AS field_24126,
    max("value") FILTER (field_id = 24127) AS field_24127,
    max("value") FILTER (field_id = 24128) AS field_24128,
    max("value") FILTER (field_id = 24129) AS field_24129,
    max("value") FILTER (field_id = 24130) AS field_24130,
    max("value") FILTER (field_id = 24131) AS field_24131,
    max("value") FILTER (field_id = 24132) AS field_24132,
    max("value") FILTER (field_id = 24133) AS field_24133,
    max("value") FILTER (field_id = 24134) AS field_24134,
    max("value") FILTER (field_id = 24135) AS field_24135,
    max("value") FILTER (field_id = 24136) AS field_24136,
    max("value") FILTER (field_id = 24137) AS field_24137,
    max("value") FILTER (field_id = 24138) AS field_24138,
    max("value") FILTER (field_id = 24139) AS field_24139,
    max("value") FILTER (field_id = 24140) AS field_24140,
    max("value") FILTER (field_id = 24141) AS field_24141,
    max("value") FILTER (field_id = 24142) AS field_24142,
    max("value") FILTER (field_id = 24143) AS field_24143,
    max("value") FILTER (field_id = 24144) AS field_24144,
    max("value") FILTER (field_id = 24145) AS field_24145,
    max("value") FILTER (field_id = 24146) AS field_24146,
    max("value") FILTER (field_id = 24147) AS field_24147,
    max("value") FILTER (field_id = 24148) AS field_24148,
    max("value") FILTER (field_id = 24149) AS field_24149,
    max("value") FILTER (field_id = 24150) AS field_24150,
    max("value") FILTER (field_id = 24151) AS field_24151,
    max("value") FILTER (field_id = 24152) AS field_24152,
    max("value") FILTER (field_id = 24153) AS field_24153,
    max("value") FILTER (field_id = 24154) AS field_24154,
    max("value") FILTER (field_id = 24155) AS field_24155,
    max("value") FILTER (field_id = 24156) AS field_24156,
    max("value") FILTER (field_id = 24157) AS field_24157,
    max("value") FILTER (field_id = 24158) AS field_24158,
    max("value") FILTER (field_id = 24159) AS field_24159,
    max("value") FILTER (field_id = 24160) AS field_24160,
    max("value") FILTER (field_id = 24161) AS field_24161,
    max("value") FILTER (field_id = 24162) AS field_24162,
    max("value") FILTER (field_id = 24163) AS field_24163,
    max("value") FILTER (field_id = 24164) AS field_24164,
    max("value") FILTER (field_id = 24165) AS field_24165,
    max("value") FILTER (field_id = 24166) AS field_24166,
    max("value") FILTER (field_id = 24167) AS field_24167,
    max("value") FILTER (field_id = 24168) AS field_24168,
    max("value") FILTER (field_id = 24169) AS field_24169,
    max("value") FILTER (field_id = 24170) AS field_24170,
    max("value") FILTER (field_id = 24171) AS field_24171,
    max("value") FILTER (field_id = 24172) AS field_24172,
    max("value") FILTER (field_id = 24173) AS field_24173,
    max("value") FILTER (field_id = 24174) AS field_24174,
    max("value") FILTER (field_id = 24175) AS field_24175,
    max("value") FILTER (field_id = 24176) AS field_24176,
    max("value") FILTER (field_id = 24177) AS field_24177,
    max("value") FILTER (field_id = 24178) AS field_24178,
    max("value") FILTER (field_id = 24179) AS field_24179,
    max("value") FILTER (field_id = 24180) AS field_24180,
    max("value") FILTER (field_id = 24181) AS field_24181,
    count(*) FILTER (is_impossible(field_id, "value")) AS impossible_values
FROM traits GROUP BY eid, instance)

-- name: lv_stroke_volume_error_ml
stroke_volume_error(field_24100, field_24101, field_24102)

-- name: lv_ejection_fraction_error
ejection_fraction_error(field_24100, field_24101, field_24103)

-- name: rv_stroke_volume_error_ml
stroke_volume_error(field_24106, field_24107, field_24108)

-- name: rv_ejection_fraction_error
ejection_fraction_error(field_24106, field_24107, field_24109)

-- name: la_stroke_volume_error_ml
stroke_volume_error(field_24110, field_24111, field_24112)

-- name: la_ejection_fraction_error
ejection_fraction_error(field_24110, field_24111, field_24113)

-- name: ra_stroke_volume_error_ml
stroke_volume_error(field_24114, field_24115, field_24116)

-- name: ra_ejection_fraction_error
ejection_fraction_error(field_24114, field_24115, field_24117)

-- name: implied_heart_rate_bpm
1000 * field_24104 / nullif(field_24102, 0)

-- name: rv_lv_stroke_ratio
field_24108 / nullif(field_24102, 0)

-- name: wall_thickness_global_minus_mean_mm
field_24140 - (field_24124 + field_24125 + field_24126 + field_24127 + field_24128 + field_24129 + field_24130 +
    field_24131 + field_24132 + field_24133 + field_24134 + field_24135 + field_24136 + field_24137 + field_24138 +
    field_24139) / 16

-- name: circumferential_global_minus_mean
field_24157 - (field_24141 + field_24142 + field_24143 + field_24144 + field_24145 + field_24146 + field_24147 +
    field_24148 + field_24149 + field_24150 + field_24151 + field_24152 + field_24153 + field_24154 + field_24155 +
    field_24156) / 16

-- name: radial_global_minus_mean
field_24174 - (field_24158 + field_24159 + field_24160 + field_24161 + field_24162 + field_24163 + field_24164 +
    field_24165 + field_24166 + field_24167 + field_24168 + field_24169 + field_24170 + field_24171 + field_24172 +
    field_24173) / 16

-- name: longitudinal_global_minus_mean
field_24181 - (field_24175 + field_24176 + field_24177 + field_24178 + field_24179 + field_24180) / 6

-- name: mass_to_volume_g_per_ml
field_24105 / nullif(field_24100, 0)

-- name: pulsatile_area_share
(field_24118 - field_24119) / nullif(field_24118, 0)
