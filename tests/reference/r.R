# The values of tests/reference/r.json, from R. Debian 12 has every package:
#   apt-get install r-cran-survival r-cran-glmnet r-cran-pec r-cran-riskregression r-cran-jsonlite
# tests/reference/remake_r.py writes the tables, calls this script with their folder, and keeps what it prints.
suppressPackageStartupMessages({library(survival); library(glmnet); library(pec); library(riskRegression)})
folder <- commandArgs(trailingOnly = TRUE)[1]

values <- function(name, tau, times) {
  d <- read.csv(file.path(folder, paste0(name, ".csv")))
  features <- setdiff(names(d), c("time", "event"))
  x <- as.matrix(d[features])
  formula <- as.formula(paste("Surv(time, event) ~", paste(features, collapse = " + ")))
  fit <- function(ties, ...) coxph(formula, d, ties = ties, x = TRUE, control = coxph.control(eps = 1e-11, iter.max = 50), ...)
  breslow <- fit("breslow")
  efron <- fit("efron")
  # small coefficients of alternating sign, scaled to the spread of their columns
  fixed <- 0.05 * (-1)^seq_along(features) / apply(x, 2, sd)
  at_fixed <- coxph(formula, d, ties = "breslow", init = fixed, control = coxph.control(iter.max = 0))
  lp <- drop(scale(x, scale = FALSE) %*% coef(efron))
  risks <- list(cox_lp = lp, rounded_lp = round(lp), first_column = x[, 1], last_column = x[, ncol(x)])
  y <- Surv(d$time, d$event)
  harrell <- lapply(risks, function(r) {
    found <- concordance(y ~ r, reverse = TRUE)
    list(C = unname(found$concordance), se = sqrt(unname(found$var)), counts = as.list(found$count))
  })
  uno <- lapply(risks, function(r) unname(concordance(y ~ r, reverse = TRUE, timewt = "n/G2", ymax = tau)$concordance))
  high <- lp > median(lp)
  halves <- summary(coxph(y ~ high, ties = "efron"))$conf.int
  scores <- Score(list(cox = efron), formula = Surv(time, event) ~ 1, data = d, times = times,
                  metrics = c("auc", "brier"), se.fit = FALSE, conf.int = FALSE, null.model = FALSE, cens.model = "km")
  error <- pec(list(cox = efron), formula = Surv(time, event) ~ 1, data = d, times = sort(unique(d$time)),
               exact = TRUE, cens.model = "marginal", verbose = FALSE)
  end <- max(times)
  hazard <- basehaz(breslow, centered = FALSE)
  hazard <- hazard[round(seq(1, nrow(hazard), length.out = 12)), ]
  # 12 penalties from the first that leaves nothing
  whole <- glmnet(x, y, family = "cox", thresh = 1e-14, nlambda = 100)
  penalties <- whole$lambda[round(seq(1, length(whole$lambda), length.out = 12))]
  path <- glmnet(x, y, family = "cox", thresh = 1e-14, lambda = penalties)
  list(
    n = nrow(d), events = sum(d$event), features = features, fixed_beta = unname(fixed),
    cox_breslow = list(coef = unname(coef(breslow)), loglik_null = breslow$loglik[1], loglik_fit = breslow$loglik[2],
                       loglik_at_fixed_beta = at_fixed$loglik[1]),
    cox_efron = list(coef = unname(coef(efron))),
    baseline_hazard = list(time = hazard$time, hazard = hazard$hazard),
    concordance = harrell,
    concordance_uno = list(tau = tau, C = uno),
    median_split = list(chi2 = survdiff(y ~ high)$chisq, hazard_ratio = halves[1], interval = halves[3:4]),
    score = list(times = times, auc = scores$AUC$score$AUC, brier = scores$Brier$score$Brier),
    integrated_brier = list(tau = end, value = unname(crps(error, times = end, models = "cox")[1])),
    glmnet_lasso = list(lambda = path$lambda, coef = unname(t(as.matrix(coef(path)))))
  )
}

packages <- c("survival", "glmnet", "pec", "riskRegression")
versions <- c(list(R = R.version.string), sapply(packages, function(p) as.character(packageVersion(p)), simplify = FALSE))
cat(jsonlite::toJSON(list(
  versions = versions,
  veteran = values("veteran", tau = 171.8, times = c(23.5, 62, 145.75)),
  gbsg2 = values("gbsg2", tau = 1825, times = c(365, 1095, 1825))
), auto_unbox = TRUE, digits = 14))
